/** Attempts to reach what runs outside, to win races, and to have something else cleaned up. */
import { containerSuite } from '../../support/container.ts';
import { attemptsOf } from './attempts/group.ts';
import { OUTSIDE } from './attempts/outside.ts';
import { RACES } from './attempts/races.ts';

for (const [name, groups] of [
  ['what is outside', OUTSIDE],
  ['races and cleanup', RACES],
] as const) {
  containerSuite(`escapes: ${name}`, (test) => {
    for (const attempt of attemptsOf(groups)) test(attempt.name, attempt.run);
  });
}
