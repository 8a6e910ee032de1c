/** The schema that the commands are about; a server may have an older or a newer one. */
import type { Json } from '@heddle/ovsdb/notation/index';
import { type DatabaseSchema, parseSchema } from '@heddle/ovsdb/schema/schema';
import { vswitchSchema } from '@heddle/ovsdb/schemas/vswitch';

export const SCHEMA: DatabaseSchema = parseSchema(vswitchSchema as unknown as Json);
