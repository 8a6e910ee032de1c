/** What OpenFlow says of a port's link (OFPPF_*), of what ethtool tells of the device. */
import type { LinkSettings } from '@heddle/linux';
import { featuresSpeed, type PhyPort } from '@heddle/openflow';

/** OFPPF_*, as OpenFlow 1.1 and later number them. */
const COPPER = 1 << 11;
const FIBER = 1 << 12;
const AUTONEG = 1 << 13;
const PAUSE = 1 << 14;
const PAUSE_ASYM = 1 << 15;

export type PortFeatures = Pick<
  PhyPort,
  'curr' | 'advertised' | 'supported' | 'peer' | 'currSpeed' | 'maxSpeed'
>;

export const NO_FEATURES: PortFeatures = {
  ...{ curr: 0, advertised: 0, supported: 0, peer: 0 },
  ...{ currSpeed: 0, maxSpeed: 0 },
};

/** By Mbit/s: the bits of half and full duplex. */
const RATES: readonly (readonly [mbps: number, half: number, full: number])[] = [
  [1_000_000, 0, 1 << 9],
  [100_000, 0, 1 << 8],
  [40_000, 0, 1 << 7],
  [10_000, 0, 1 << 6],
  [1_000, 1 << 4, 1 << 5],
  [100, 1 << 2, 1 << 3],
  [10, 1 << 0, 1 << 1],
];

/** Bits of ETHTOOL_LINK_MODE_* beside those of OFPPF_*; the first six are the same. */
const SAME_MODES = 0x3f;
const MODES: readonly (readonly [mode: number, feature: number])[] = [
  [1 << 6, AUTONEG],
  [1 << 7, COPPER],
  [1 << 10, FIBER],
  [1 << 12, 1 << 6],
  [1 << 13, PAUSE],
  [1 << 14, PAUSE_ASYM],
];

const PORT_TP = 0;
const PORT_FIBRE = 3;

/** `settings` is undefined where a device has no notion of a link's speed. */
export function portFeatures(settings: LinkSettings | undefined): PortFeatures {
  if (!settings) return NO_FEATURES;
  const { speed, duplex, autoneg, port } = settings;
  const rate = RATES.find(([mbps]) => mbps === speed);
  const medium = port === PORT_TP ? COPPER : port === PORT_FIBRE ? FIBER : 0;
  const curr = (rate?.[duplex === 'full' ? 2 : 1] ?? 0) | medium | (autoneg ? AUTONEG : 0);
  const supported = featuresOf(settings.supported);
  return {
    curr,
    advertised: featuresOf(settings.advertised),
    supported,
    peer: featuresOf(settings.peer),
    currSpeed: featuresSpeed(curr),
    maxSpeed: featuresSpeed(supported),
  };
}

function featuresOf(modes: number): number {
  let features = modes & SAME_MODES;
  for (const [mode, feature] of MODES) if ((modes & mode) !== 0) features |= feature;
  return features;
}
