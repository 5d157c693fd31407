import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.function.Function;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.windowing.WindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.GlobalWindow;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/** The ways in which panes are made of readings, by name. */
final class Ways {
  private static final int ROLLING = 100;

  static final Map<String, Function<DataStream<Tuple3<String, Long, Double>>, DataStream<Pane>>> BY_NAME =
      Map.of(
          "sliding", Ways::sliding,
          "sliding-sql", Ways::slidingSql,
          "ring", Ways::ring,
          "count-window", Ways::countWindow,
          "over", Ways::over);

  private static KeyedStream<Tuple3<String, Long, Double>, String> byKey(
      DataStream<Tuple3<String, Long, Double>> readings) {
    return readings.keyBy(reading -> reading.f0, Types.STRING);
  }

  private static DataStream<Pane> sliding(DataStream<Tuple3<String, Long, Double>> readings) {
    WindowFunction<double[], Pane, String, TimeWindow> pane =
        (key, window, results, out) -> {
          double[] result = results.iterator().next();
          out.collect(
              new Pane(
                  key,
                  window.getStart(),
                  window.getEnd(),
                  (long) result[0],
                  result[1] / result[0],
                  result[2]));
        };
    return byKey(readings)
        .window(SlidingEventTimeWindows.of(Duration.ofSeconds(60), Duration.ofSeconds(10)))
        .aggregate(
            new CountSumMax(),
            pane,
            PrimitiveArrayTypeInfo.DOUBLE_PRIMITIVE_ARRAY_TYPE_INFO,
            Types.POJO(Pane.class));
  }

  /** Count, sum and maximum in an array, whose serializer is faster than that of a class with three fields. */
  private static final class CountSumMax
      implements AggregateFunction<Tuple3<String, Long, Double>, double[], double[]> {
    @Override
    public double[] createAccumulator() {
      return new double[] {0, 0, Double.NEGATIVE_INFINITY};
    }

    @Override
    public double[] add(Tuple3<String, Long, Double> reading, double[] sums) {
      double value = reading.f2;
      sums[0]++;
      sums[1] += value;
      sums[2] = Math.max(sums[2], value);
      return sums;
    }

    @Override
    public double[] getResult(double[] sums) {
      return sums;
    }

    @Override
    public double[] merge(double[] one, double[] other) {
      return new double[] {one[0] + other[0], one[1] + other[1], Math.max(one[2], other[2])};
    }
  }

  private static DataStream<Pane> slidingSql(DataStream<Tuple3<String, Long, Double>> readings) {
    return query(
            readings,
            """
            SELECT f0, window_start, window_end, COUNT(*), AVG(f2), MAX(f2)
            FROM TABLE(HOP(TABLE readings, DESCRIPTOR(instant), INTERVAL '10' SECOND, INTERVAL '60' SECOND))
            GROUP BY f0, window_start, window_end""")
        .map(
            row ->
                new Pane(
                    row.getFieldAs(0),
                    row.<LocalDateTime>getFieldAs(1).toInstant(ZoneOffset.UTC).toEpochMilli(),
                    row.<LocalDateTime>getFieldAs(2).toInstant(ZoneOffset.UTC).toEpochMilli(),
                    row.<Long>getFieldAs(3),
                    row.<Double>getFieldAs(4),
                    row.<Double>getFieldAs(5)),
            Types.POJO(Pane.class));
  }

  private static DataStream<Pane> ring(DataStream<Tuple3<String, Long, Double>> readings) {
    return byKey(readings).process(new Ring(), Types.POJO(Pane.class));
  }

  /** A key's last values in a ring, of which the first element is the number of all values so far. */
  private static final class Ring extends KeyedProcessFunction<String, Tuple3<String, Long, Double>, Pane> {
    private transient ValueState<double[]> state;

    @Override
    public void open(OpenContext context) {
      state =
          getRuntimeContext()
              .getState(
                  new ValueStateDescriptor<>(
                      "ring", PrimitiveArrayTypeInfo.DOUBLE_PRIMITIVE_ARRAY_TYPE_INFO));
    }

    @Override
    public void processElement(Tuple3<String, Long, Double> reading, Context context, Collector<Pane> out)
        throws Exception {
      double[] ring = state.value();
      if (ring == null) ring = new double[1 + ROLLING];
      ring[1 + (int) (ring[0]++ % ROLLING)] = reading.f2;
      state.update(ring);
      int count = (int) Math.min(ring[0], ROLLING);
      double sum = 0;
      for (int at = 1; at <= count; at++) sum += ring[at];
      out.collect(new Pane(reading.f0, 0, reading.f1 + 1, count, sum / count, 0));
    }
  }

  private static DataStream<Pane> countWindow(DataStream<Tuple3<String, Long, Double>> readings) {
    WindowFunction<double[], Pane, String, GlobalWindow> pane =
        (key, window, results, out) -> {
          double[] result = results.iterator().next();
          out.collect(new Pane(key, 0, (long) result[2] + 1, (long) result[0], result[1] / result[0], 0));
        };
    return byKey(readings)
        .countWindow(ROLLING, 1)
        .aggregate(
            new CountSumLast(),
            pane,
            PrimitiveArrayTypeInfo.DOUBLE_PRIMITIVE_ARRAY_TYPE_INFO,
            Types.POJO(Pane.class));
  }

  private static final class CountSumLast
      implements AggregateFunction<Tuple3<String, Long, Double>, double[], double[]> {
    @Override
    public double[] createAccumulator() {
      return new double[3];
    }

    @Override
    public double[] add(Tuple3<String, Long, Double> reading, double[] sums) {
      sums[0]++;
      sums[1] += reading.f2;
      sums[2] = reading.f1;
      return sums;
    }

    @Override
    public double[] getResult(double[] sums) {
      return sums;
    }

    @Override
    public double[] merge(double[] one, double[] other) {
      throw new UnsupportedOperationException("Cannot merge windows of counts");
    }
  }

  private static DataStream<Pane> over(DataStream<Tuple3<String, Long, Double>> readings) {
    return query(
            readings,
            """
            SELECT f0, f1, COUNT(*) OVER last, AVG(f2) OVER last FROM readings
            WINDOW last AS (PARTITION BY f0 ORDER BY instant ROWS BETWEEN 99 PRECEDING AND CURRENT ROW)""")
        .map(
            row ->
                new Pane(
                    row.getFieldAs(0),
                    0,
                    row.<Long>getFieldAs(1) + 1,
                    row.<Long>getFieldAs(2),
                    row.<Double>getFieldAs(3),
                    0),
            Types.POJO(Pane.class));
  }

  /** The rows of a query on `readings`, whose columns are those of the tuple, and `instant`, its event time. */
  private static DataStream<Row> query(DataStream<Tuple3<String, Long, Double>> readings, String sql) {
    StreamTableEnvironment tables = StreamTableEnvironment.create(readings.getExecutionEnvironment());
    tables.createTemporaryView(
        "readings",
        readings,
        Schema.newBuilder()
            .columnByMetadata("instant", DataTypes.TIMESTAMP_LTZ(3), "rowtime")
            .watermark("instant", "SOURCE_WATERMARK()")
            .build());
    return tables.toDataStream(tables.sqlQuery(sql));
  }
}
