/** Collects what checks find, as the options of the build and of each instruction want it. */
import { BuildError } from '../../core/errors.ts';
import type { CheckOptions } from '../../parser/lint/options.ts';
import { checkOptionsAbove, isChecked } from '../../parser/lint/options.ts';
import type { Finding, Report } from '../../parser/lint/rules.ts';

export class Findings {
  readonly #options: CheckOptions;
  readonly #onFinding: ((finding: Finding) => void) | undefined;
  readonly #found: Finding[] = [];
  readonly #failing: Finding[] = [];

  constructor(options: CheckOptions, onFinding?: (finding: Finding) => void) {
    this.#options = options;
    this.#onFinding = onFinding;
  }

  /** In the order of finding. */
  get found(): readonly Finding[] {
    return this.#found;
  }

  readonly report: Report = (rule, { range, docComment }, message) => {
    const above = checkOptionsAbove(docComment);
    if (!isChecked(rule, this.#options, above)) return;
    const finding = { rule, message, range };
    this.#found.push(finding);
    this.#onFinding?.(finding);
    if (this.#options.error || above.error) this.#failing.push(finding);
  };

  /** Throws `check-failed` if there is anything that must not be. */
  refuse(): void {
    if (this.#failing.length === 0) return;
    const rules = new Set(this.#failing.map(({ rule }) => rule));
    throw new BuildError('check-failed', `Lint violation found for rules: ${[...rules].join(', ')}`, {
      locations: this.#failing.map(({ range }) => range),
    });
  }
}
