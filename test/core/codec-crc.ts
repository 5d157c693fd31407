/** CRC-32C bit by bit, as RFC 3720 (iSCSI) defines it. */
export function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffff_ffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = (remainder ^ (byte >>> bit)) & 1;
      remainder = (remainder >>> 1) ^ (odd ? 0x82f6_3b78 : 0);
    }
  }
  return ~remainder >>> 0;
}

/** Bytes with their checksum behind them. */
export function sealed(bytes: readonly number[]): Uint8Array {
  const whole = new Uint8Array(bytes.length + 4);
  whole.set(bytes);
  new DataView(whole.buffer).setUint32(bytes.length, crc32c(Uint8Array.from(bytes)), true);
  return whole;
}
