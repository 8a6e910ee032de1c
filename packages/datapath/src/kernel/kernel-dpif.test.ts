/** The kernel's datapath passes the suite of all engines. */
import { dpifCompliance } from '../compliance.ts';
import { dpifConntrackCompliance } from '../compliance-conntrack.ts';
import { dpifMeterCompliance } from '../compliance-meters.ts';
import { dpifRandomCompliance } from '../compliance-random.ts';
import { enterNewNetns, Rig } from './test-support.ts';

enterNewNetns();
dpifCompliance('kernel datapath', (ports) => Rig.open(ports));
dpifMeterCompliance('kernel datapath', (ports) => Rig.open(ports));
dpifConntrackCompliance('kernel datapath', (ports) => Rig.open(ports));
dpifRandomCompliance(
  'kernel datapath',
  (ports) => Rig.open(ports),
  Number(process.env.HEDDLE_COUNT ?? 250),
);
