/** For tests: a process that switches between two ports until it is killed. */
import { Flow } from '@heddle/packet';
import type { KernelDpif } from './kernel-dpif.ts';
import { openKernelDpif } from './open.ts';
import { TEST_SIZES } from './test-support.ts';

/** Joins pairs of ports (1-2, 3-4 …) by one megaflow for each port and Ethernet type. */
export function patch(dpif: KernelDpif): void {
  dpif.setUpcallHandler((batch) => {
    for (const { flow, packet } of batch) {
      const mask = new Flow();
      mask.inPort = 0xffff_ffff;
      mask.dlType = 0xffff;
      const actions = [{ type: 'output' as const, port: ((flow.inPort - 1) ^ 1) + 1 }];
      dpif.flowPut({ key: flow, mask, actions });
      dpif.execute([{ flow, packet, actions }]);
    }
  });
}

if (import.meta.main) {
  const [instance, pinRoot, attach, ...names] = process.argv.slice(2);
  const dpif = await openKernelDpif({
    instance: instance!,
    pinRoot: pinRoot!,
    sizes: TEST_SIZES,
    attach: attach === 'clsact' ? 'clsact' : 'tcx',
  });
  if (!dpif.adopted) for (const name of names) await dpif.portAdd(name, 'system');
  patch(dpif);
  process.stdout.write(`ready ${dpif.adopted ? 'adopted' : 'fresh'} ${[...dpif.flows()].length}\n`);
}
