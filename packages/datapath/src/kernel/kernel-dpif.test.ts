import { dpifCompliance } from '../compliance.ts';
import { enterNewNetns, Rig } from './test-support.ts';

enterNewNetns();
dpifCompliance('kernel datapath', (ports) => Rig.open(ports));
