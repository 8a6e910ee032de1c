import { dpifCompliance } from '../compliance.ts';
import { dpifConntrackCompliance } from '../compliance-conntrack.ts';
import { enterNewNetns, Rig } from './test-support.ts';

enterNewNetns();
dpifCompliance('kernel datapath', (ports) => Rig.open(ports));
dpifConntrackCompliance('kernel datapath', (ports) => Rig.open(ports));
