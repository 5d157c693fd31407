/** A value, or several, of a metric of CloudWatch at a time. */
export interface Sample {
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, string>>;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly values: readonly number[];
}

/**
 * Returns what CloudWatch makes of lines in its embedded metric format: a sample for each metric and each set of
 * dimensions.
 */
export function samplesOf(lines: readonly string[]): Sample[] {
  return lines.flatMap((text) => {
    const line = JSON.parse(text);
    if (!('_aws' in line)) return [];
    const { Timestamp: at, CloudWatchMetrics } = line._aws as {
      readonly Timestamp: number;
      readonly CloudWatchMetrics: readonly {
        readonly Namespace: string;
        readonly Dimensions: readonly (readonly string[])[];
        readonly Metrics: readonly { readonly Name: string }[];
      }[];
    };
    return CloudWatchMetrics.flatMap(({ Namespace: namespace, Dimensions, Metrics }) =>
      Dimensions.flatMap((names) =>
        Metrics.map(({ Name: metric }) => ({
          namespace,
          metric,
          dimensions: Object.fromEntries(names.map((name) => [name, line[name]])),
          at,
          values: [line[metric]].flat(),
        })),
      ),
    );
  });
}

interface MetricStat {
  readonly Metric: {
    readonly Namespace: string;
    readonly MetricName: string;
    readonly Dimensions?: readonly { readonly Name: string; readonly Value: string }[];
  };
  readonly Period: number;
  readonly Stat: string;
}

/** The properties of an `AWS::CloudWatch::Alarm`, as far as they are understood here. */
export interface AlarmProperties {
  readonly AlarmDescription: string;
  readonly ComparisonOperator: 'GreaterThanThreshold' | 'LessThanThreshold';
  readonly Threshold: number;
  readonly EvaluationPeriods: number;
  readonly DatapointsToAlarm: number;
  readonly TreatMissingData: 'breaching' | 'notBreaching';
  readonly Metrics?: readonly {
    readonly Id: string;
    readonly Expression?: string;
    readonly MetricStat?: MetricStat;
    readonly ReturnData: boolean;
  }[];
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: MetricStat['Metric']['Dimensions'];
  readonly Statistic?: string;
  readonly Period?: number;
}

/** A series: for each period its value, or undefined where it has none. */
type Series = readonly (number | undefined)[];

/**
 * Returns at the end of which periods an alarm is on, as times. A period without data counts as the alarm says; of the
 * last `EvaluationPeriods`, `DatapointsToAlarm` must be beyond the threshold. CloudWatch looks some periods further
 * back where data are missing, which is not done here.
 *
 * @param from the time from which on there are periods; an alarm is asked once it has seen all that it looks at
 */
export function timesOn(
  alarm: AlarmProperties,
  samples: readonly Sample[],
  from: number,
  until: number,
): number[] {
  const { period, series } = seriesOf(alarm, samples, from, until);
  const isBreaching = (value: number | undefined): boolean => {
    if (value === undefined) return alarm.TreatMissingData === 'breaching';
    return alarm.ComparisonOperator === 'GreaterThanThreshold'
      ? value > alarm.Threshold
      : value < alarm.Threshold;
  };
  const times: number[] = [];
  for (let end = alarm.EvaluationPeriods; end <= series.length; end++) {
    const last = series.slice(end - alarm.EvaluationPeriods, end);
    if (last.filter(isBreaching).length >= alarm.DatapointsToAlarm) times.push(from + end * period);
  }
  return times;
}

function seriesOf(
  alarm: AlarmProperties,
  samples: readonly Sample[],
  from: number,
  until: number,
): { readonly period: number; readonly series: Series } {
  const stats = (alarm.Metrics ?? []).flatMap(({ Id, MetricStat }) =>
    MetricStat ? [{ Id, MetricStat }] : [],
  );
  const { Namespace = '', MetricName = '', Dimensions = [], Statistic = '', Period = 0 } = alarm;
  const alone: MetricStat = { Metric: { Namespace, MetricName, Dimensions }, Period, Stat: Statistic };
  const periods = new Set(
    (stats.length > 0 ? stats : [{ MetricStat: alone }]).map((of) => of.MetricStat.Period),
  );
  const [seconds = 0, ...others] = periods;
  if (seconds === 0 || others.length > 0) throw new Error(`an alarm of one period, not of ${[...periods]}`);
  const period = seconds * 1_000;
  const series = (stat: MetricStat) => statistic(stat, samples, from, until);
  const expression = alarm.Metrics?.find(({ ReturnData }) => ReturnData)?.Expression;
  if (expression === undefined) return { period, series: series(alone) };
  const named = new Map(stats.map(({ Id, MetricStat }) => [Id, series(MetricStat)]));
  return { period, series: calculate(expression, named, Math.floor((until - from) / period)) };
}

function statistic(
  { Metric, Period, Stat }: MetricStat,
  samples: readonly Sample[],
  from: number,
  until: number,
): Series {
  const period = Period * 1_000;
  const dimensions = Object.fromEntries((Metric.Dimensions ?? []).map(({ Name, Value }) => [Name, Value]));
  const isOf = (sample: Sample): boolean =>
    sample.namespace === Metric.Namespace &&
    sample.metric === Metric.MetricName &&
    Object.keys(sample.dimensions).length === Object.keys(dimensions).length &&
    Object.entries(dimensions).every(([name, value]) => sample.dimensions[name] === value);
  const values = Array.from({ length: Math.floor((until - from) / period) }, (): number[] => []);
  for (const sample of samples.filter(isOf))
    values[Math.floor((sample.at - from) / period)]?.push(...sample.values);
  const reduce = STATISTICS[Stat];
  if (reduce === undefined) throw new Error(`a statistic that is known, not ${Stat}`);
  return values.map((all) => (all.length === 0 ? undefined : reduce(all)));
}

const STATISTICS: Readonly<Record<string, (values: readonly number[]) => number>> = {
  Sum: (values) => values.reduce((sum, value) => sum + value, 0),
  Maximum: (values) => Math.max(...values),
  SampleCount: (values) => values.length,
};

/**
 * Evaluates metric math: numbers, names, `+ - * /`, `>`, `IF(condition, then, else)` and `FILL(name, number)`. Where an
 * operand has no value there is none; `FILL` gives one to every period without.
 */
function calculate(expression: string, named: ReadonlyMap<string, Series>, length: number): Series {
  const tokens = expression.match(/[A-Za-z_]\w*|\d+(?:\.\d+)?|[-+*/>(),]/g) ?? [];
  if (tokens.join('') !== expression.replaceAll(' ', '')) throw new Error(`metric math, not ${expression}`);
  let at = 0;
  const take = (expected?: string): string => {
    const token = tokens[at++];
    if (token === undefined || (expected !== undefined && token !== expected))
      throw new Error(`${expected ?? 'more'} at token ${at} of ${expression}, not ${token}`);
    return token;
  };
  const each = ([a, b]: readonly [Series, Series], operate: (a: number, b: number) => number): Series =>
    a.map((value, place) => {
      const other = b[place];
      return value === undefined || other === undefined ? undefined : operate(value, other);
    });
  const chain = (
    operand: () => Series,
    operators: Readonly<Record<string, (a: number, b: number) => number>>,
  ) => {
    let left = operand();
    for (let operate = operators[tokens[at] ?? '']; operate; operate = operators[tokens[at] ?? '']) {
      at++;
      left = each([left, operand()], operate);
    }
    return left;
  };
  const operands = (): Series[] => {
    take('(');
    const all = [comparison()];
    while (tokens[at] === ',') {
      at++;
      all.push(comparison());
    }
    take(')');
    return all;
  };
  const primary = (): Series => {
    const token = take();
    if (token === '(') {
      const inside = comparison();
      take(')');
      return inside;
    }
    if (/^\d/.test(token)) return Array.from({ length }, () => Number(token));
    if (token === 'IF') {
      const [condition = [], yes = [], no = []] = operands();
      return condition.map((holds, place) => {
        if (holds === undefined) return undefined;
        return holds === 0 ? no[place] : yes[place];
      });
    }
    if (token === 'FILL') {
      const [of = [], filling = []] = operands();
      return of.map((value, place) => value ?? filling[place]);
    }
    const series = named.get(token);
    if (series === undefined) throw new Error(`a figure that ${expression} is given, not ${token}`);
    return series;
  };
  const product = () => chain(primary, { '*': (a, b) => a * b, '/': (a, b) => a / b });
  const sum = () => chain(product, { '+': (a, b) => a + b, '-': (a, b) => a - b });
  const comparison = (): Series => chain(sum, { '>': (a, b) => Number(a > b) });
  const result = comparison();
  if (at < tokens.length) throw new Error(`the end of ${expression}, not ${tokens[at]}`);
  return result;
}
