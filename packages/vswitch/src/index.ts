export { registerSwitchCommands } from './appctl/register.ts';
export { Backer } from './backer.ts';
export { Bridge } from './bridge.ts';
export { MacLearning } from './mac-learning.ts';
export { Bundle, OfPort, Ofproto, type XlateConfig } from './ofproto.ts';
export { rehearse } from './rehearsal/rehearsal.ts';
export { Switch, type SwitchOptions } from './switch.ts';
export { type XlateResult, xlateActions } from './xlate/xlate.ts';
