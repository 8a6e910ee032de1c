/** All forms. A new file of messages is a line here. */
import { CONFIG_FORMS } from './config.ts';
import type { AnyForm } from './form.ts';
import { HELLO_FORMS } from './hello.ts';

export const FORMS: readonly AnyForm[] = [...HELLO_FORMS, ...CONFIG_FORMS];
