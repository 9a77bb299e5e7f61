// The number of samples in an Opus packet (RFC 6716, section 3), at 48 kHz. The gateway counts in the same way.

const MAX_FRAME = 1275;
const MAX_SAMPLES = 5760;

/** Samples of a packet, or 0 if no decoder could decode it. */
export function opusSamples(packet: Uint8Array): number {
  if (!packet.length) return 0;
  const code = packet[0]! & 3;
  if (code === 3 && packet.length < 2) return 0;
  const count = code === 0 ? 1 : code < 3 ? 2 : packet[1]! & 63;
  const total = count * frameSamples(packet[0]! >> 3);
  if (total < 1 || total > MAX_SAMPLES) return 0;
  const largest = largestFrame(packet, code, count);
  return largest >= 0 && largest <= MAX_FRAME ? total : 0;
}

function frameSamples(configuration: number): number {
  if (configuration < 12) return [480, 960, 1920, 2880][configuration % 4]!;
  if (configuration < 16) return [480, 960][configuration % 2]!;
  return [120, 240, 480, 960][configuration % 4]!;
}

// Bytes of the largest frame; -1 if the packet is cut short.
function largestFrame(packet: Uint8Array, code: number, count: number): number {
  if (code < 2) return equal(packet.length - 1, count);
  if (code === 2) return varied(packet, 1, packet.length, 2);
  let begin = 2;
  let last = packet.length;
  if (packet[1]! & 64) {
    let size = 255;
    while (size === 255) {
      if (begin >= last) return -1;
      size = packet[begin++]!;
      last -= Math.min(size, 254);
    }
  }
  if (last < begin) return -1;
  return packet[1]! & 128 ? varied(packet, begin, last, count) : equal(last - begin, count);
}

function equal(size: number, count: number): number {
  return size % count ? -1 : size / count;
}

function varied(packet: Uint8Array, begin: number, last: number, count: number): number {
  let largest = 0;
  let total = 0;
  for (let frame = 1; frame < count; frame++) {
    if (begin >= last) return -1;
    let size = packet[begin++]!;
    if (size >= 252) {
      if (begin >= last) return -1;
      size += 4 * packet[begin++]!;
    }
    largest = Math.max(largest, size);
    total += size;
  }
  const rest = last - begin - total;
  return rest < 0 ? -1 : Math.max(largest, rest);
}
