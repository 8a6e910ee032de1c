/** The release of Open vSwitch whose behaviour, schemas and texts we keep to. */
export const OVS_VERSION = '3.7.0';
export const HEDDLE_VERSION = '0.1.0';

/** The text of `--version`: scripts read the first line, `NAME (Open vSwitch) X.Y.Z`. */
export function versionText(program: string, ...more: string[]): string {
  return [`${program} (Open vSwitch) ${OVS_VERSION}`, `Heddle ${HEDDLE_VERSION}`, ...more].join(
    '\n',
  );
}
