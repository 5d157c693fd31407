import { setFlagsFromString } from 'node:v8';
import { compileFunction } from 'node:vm';

setFlagsFromString('--allow-natives-syntax');

/** Says whether V8 keeps an array as doubles side by side: see `zeros`. */
export const isOfDoubles: (numbers: readonly number[]) => boolean = compileFunction(
  'return %HasDoubleElements(numbers) && !%HasHoleyElements(numbers)',
  ['numbers'],
) as (numbers: readonly number[]) => boolean;
