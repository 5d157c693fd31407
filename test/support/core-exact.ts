/** Doubles as whole numbers of the smallest one, 2^-1074: sums without rounding. */
export function exactly(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = (BigInt(high & 0xfffff) << 32n) | BigInt(bits.getUint32(4));
  const magnitude = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
  return high >>> 31 === 1 ? -magnitude : magnitude;
}

export const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

export const exactSum = (values: readonly number[]): bigint =>
  values.reduce((total, value) => total + exactly(value), 0n);

/** What errors are measured against: rounding is relative to what was added, not to what is left of it. */
export const sumOfMagnitudes = (values: readonly number[]): bigint =>
  values.reduce((total, value) => total + magnitude(exactly(value)), 0n);
