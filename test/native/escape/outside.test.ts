/** Attempts to reach what runs outside and the caller's terminal, to win races, and to have something else cleaned up. */
import { containerSuite } from '../../support/container.ts';
import { attemptsOf } from './attempts/group.ts';
import { OUTSIDE } from './attempts/outside.ts';
import { RACES } from './attempts/races.ts';
import { RUNTIME } from './attempts/runtime.ts';
import { TERMINALS } from './attempts/terminals.ts';

for (const [name, groups] of [
  ['what is outside', OUTSIDE],
  ['terminals', TERMINALS],
  ['bundles', RUNTIME],
  ['races and cleanup', RACES],
] as const) {
  containerSuite(`escapes: ${name}`, (test) => {
    for (const attempt of attemptsOf(groups)) test(attempt.name, attempt.run);
  });
}
