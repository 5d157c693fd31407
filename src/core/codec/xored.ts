import { type ByteReader, type ByteWriter, canonical } from './bytes.ts';

/** The bits that describe a new window: how many zeros lead, and how many bits it holds. */
const WINDOW_BITS = 11;
const LEADING_BITS = 5;
const MAX_LEADING = 31;

/**
 * Writes the first of `count` doubles, then the bits in which each differs from the double before it.
 *
 * Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015, section 4.1.2;
 * unlike there, a window of meaningful bits is also given up when a narrower one pays for itself at once.
 */
export function writeXored(bytes: ByteWriter, values: Float64Array, count: number): void {
  const double = new DataView(new ArrayBuffer(8));
  bytes.double(values[0] as number);
  double.setFloat64(0, canonical(values[0] as number));
  let high = double.getInt32(0);
  let low = double.getInt32(4);
  let leading = 64;
  let trailing = 0;
  for (let i = 1; i < count; i++) {
    double.setFloat64(0, canonical(values[i] as number));
    const xorHigh = double.getInt32(0) ^ high;
    const xorLow = double.getInt32(4) ^ low;
    if (xorHigh === 0 && xorLow === 0) {
      bytes.bits(0, 1);
      continue;
    }
    high ^= xorHigh;
    low ^= xorLow;
    const lead = xorHigh !== 0 ? Math.clz32(xorHigh) : MAX_LEADING;
    const trail = xorLow !== 0 ? trailingZeros(xorLow) : 32 + trailingZeros(xorHigh);
    if (lead >= leading && trail >= trailing && lead + trail <= leading + trailing + WINDOW_BITS) {
      bytes.bits(0b01, 2);
    } else {
      leading = lead;
      trailing = trail;
      bytes.bits(0b11 | (leading << 2) | ((63 - leading - trailing) << 7), 2 + WINDOW_BITS);
    }
    const width = 64 - leading - trailing;
    if (trailing >= 32) {
      bytes.bits(xorHigh >>> (trailing - 32), width);
    } else {
      const shifted = trailing === 0 ? xorLow : (xorLow >>> trailing) | (xorHigh << (32 - trailing));
      bytes.bits(shifted, Math.min(width, 32));
      if (width > 32) bytes.bits(xorHigh >>> trailing, width - 32);
    }
  }
  bytes.flush();
}

/** Reads the first `count` values that `writeXored` wrote. */
export function readXored(bytes: ByteReader, values: Float64Array, count: number): void {
  const double = new DataView(new ArrayBuffer(8));
  values[0] = bytes.double();
  double.setFloat64(0, values[0]);
  let high = double.getInt32(0);
  let low = double.getInt32(4);
  let leading = 64;
  let trailing = 0;
  for (let i = 1; i < count; i++) {
    if (bytes.bits(1) === 1) {
      if (bytes.bits(1) === 1) {
        leading = bytes.bits(LEADING_BITS);
        trailing = 63 - leading - bytes.bits(WINDOW_BITS - LEADING_BITS);
      }
      const width = 64 - leading - trailing;
      if (trailing < 0 || width < 1) throw bytes.fault('a number of no width');
      if (trailing >= 32) {
        high ^= bytes.bits(width) << (trailing - 32);
      } else {
        const shifted = bytes.bits(Math.min(width, 32));
        low ^= shifted << trailing;
        if (trailing > 0) high ^= shifted >>> (32 - trailing);
        if (width > 32) high ^= bytes.bits(width - 32) << trailing;
      }
    }
    double.setInt32(0, high);
    double.setInt32(4, low);
    values[i] = double.getFloat64(0);
  }
  bytes.align();
}

/** Counts the trailing zeros of 32 bits that are not all 0. */
export const trailingZeros = (bits: number): number => 31 - Math.clz32(bits & -bits);
