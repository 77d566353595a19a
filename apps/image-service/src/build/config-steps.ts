import { applyInstruction, shellOf } from '../dockerfile/apply-instruction';
import type { ConfigInstruction } from '../dockerfile/dockerfile';
import type { RuntimeConfig } from '../images/image-config';
import type { PlannedStep } from './build-scope';

/** `#(nop)`: nothing is run. dockerd puts one blank or two before what it says, and so it stands in histories everywhere. */
export const nothingRun = (config: RuntimeConfig, comment: string, blanks = '  '): string =>
  `${shellOf(config).join(' ')} #(nop)${blanks}${comment}`;

/** An instruction that only changes the configuration, variables put in. */
export function configStep(
  config: RuntimeConfig,
  instruction: ConfigInstruction,
  commandGiven: boolean,
): PlannedStep {
  const { config: changed, comment, note } = applyInstruction(config, instruction, commandGiven);
  return {
    inputs: { comment, config: changed },
    createdBy: nothingRun(changed, comment, instruction.kind === 'workdir' ? ' ' : '  '),
    config: changed,
    ...(instruction.kind === 'maintainer' && { author: instruction.value }),
    ...(note !== undefined && { note }),
  };
}
