/** The `[build 2/5]` before a step's name. */

/** Counts the steps of one stage. */
export class StageLabel {
  readonly #stageName: string;
  readonly #total: number;
  #count = 0;

  /** `stageName` is empty where there is but one stage; `total` is how many steps will be named. */
  constructor(stageName: string, total: number) {
    this.#stageName = stageName;
    this.#total = total;
  }

  /** `text` as the next step. */
  next(text: string): string {
    this.#count++;
    return this.#label(text);
  }

  /** `text` as another part of the step that was named last. */
  again(text: string): string {
    return this.#label(text);
  }

  #label(text: string): string {
    const number = String(this.#count).padStart(String(this.#total).length);
    return `[${this.#stageName === '' ? '' : `${this.#stageName} `}${number}/${this.#total}] ${text}`;
  }
}
