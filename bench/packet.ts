/** Nanoseconds and heap bytes per packet: key extraction and megaflow lookup in TypeScript. */
import { Classifier } from '@heddle/datapath/userspace/classifier';
import { extractFlow, Flow, PacketLayout } from '@heddle/packet';
import { ethernet, ipv4, udp, vlan } from '@heddle/packet/build';

const ROUNDS = 1_000_000;

function measure(name: string, body: () => void): void {
  for (let i = 0; i < ROUNDS / 10; i++) body();
  const heap = process.memoryUsage().heapUsed;
  const start = process.hrtime.bigint();
  for (let i = 0; i < ROUNDS; i++) body();
  const ns = Number(process.hrtime.bigint() - start) / ROUNDS;
  const bytes = Math.max(0, (process.memoryUsage().heapUsed - heap) / ROUNDS);
  console.log(
    `${name.padEnd(40)} ${ns.toFixed(1).padStart(8)} ns ${bytes.toFixed(1).padStart(6)} B`,
  );
}

const ENDS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const datagram = ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ src: 1, dst: 2 }));
const out = new Flow();
const layout = new PacketLayout();
const md = { inPort: 1 };

for (const [name, part] of [
  ['IPv4, UDP', datagram],
  ['VLAN, IPv4, UDP', vlan({ vid: 10 }, datagram)],
] as const) {
  const frame = ethernet(ENDS, part);
  measure(`extract ${name}`, () => void extractFlow(frame, md, out, layout));
}

/** The packet is in the last table; `maskHits` then grows by the number of masks until sorted. */
function classifier(masks: number, flows: number): Classifier<{ key: Flow; mask: Flow }> {
  const c = new Classifier<{ key: Flow; mask: Flow }>();
  for (let m = 0; m < masks; m++) {
    const mask = new Flow();
    mask.inPort = 0xffff_ffff;
    mask.dlType = 0xffff;
    mask.tpSrc = 0xffff;
    mask.nwTtl = m;
    for (let k = 0; k < flows / masks; k++) {
      const key = out.clone();
      key.nwDst = k;
      key.tpSrc = m === masks - 1 && k === 0 ? out.tpSrc : 1000 + (k % 64_000);
      c.insert({ key, mask });
    }
  }
  return c;
}

for (const masks of [1, 8, 64]) {
  const c = classifier(masks, 10_000);
  measure(`lookup, ${masks} masks, most used first`, () => void c.lookup(out));
  const miss = out.clone();
  miss.tpSrc = 999;
  measure(`lookup, ${masks} masks, a miss`, () => void c.lookup(miss));
}
