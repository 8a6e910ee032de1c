import type { Command } from '../command.ts';
import { AUTO_ATTACH_COMMANDS } from './auto-attach.ts';
import { BRIDGE_COMMANDS } from './bridge.ts';
import { CONTROLLER_COMMANDS } from './controller.ts';
import { PORT_COMMANDS } from './port.ts';
import { RECORD_COMMANDS } from './record.ts';
import { SET_COMMANDS } from './set.ts';
import { SHOW } from './show.ts';
import { SSL_COMMANDS } from './ssl.ts';
import { ZONE_COMMANDS } from './zone.ts';
import { ZONE_LIMIT_COMMANDS } from './zone-limit.ts';

export const COMMANDS: readonly Command[] = [
  ...BRIDGE_COMMANDS,
  SHOW,
  ...PORT_COMMANDS,
  ...ZONE_COMMANDS,
  ...ZONE_LIMIT_COMMANDS,
  ...CONTROLLER_COMMANDS,
  ...SSL_COMMANDS,
  ...AUTO_ATTACH_COMMANDS,
  ...RECORD_COMMANDS,
  ...SET_COMMANDS,
];
