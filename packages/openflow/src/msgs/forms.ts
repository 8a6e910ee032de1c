/** All forms. A new file of messages is a line here. */
import { CONFIG_FORMS } from './config.ts';
import { ERROR_FORMS } from './error.ts';
import { FEATURES_FORMS } from './features.ts';
import { FLOW_MOD_FORMS } from './flow-mod.ts';
import { FLOW_STATS_FORMS } from './flow-stats.ts';
import type { AnyForm } from './form.ts';
import { HELLO_FORMS } from './hello.ts';
import { OXS_STATS_FORMS } from './oxs-stats.ts';

export const FORMS: readonly AnyForm[] = [
  ...HELLO_FORMS,
  ...ERROR_FORMS,
  ...CONFIG_FORMS,
  ...FEATURES_FORMS,
  ...FLOW_MOD_FORMS,
  ...FLOW_STATS_FORMS,
  ...OXS_STATS_FORMS,
];
