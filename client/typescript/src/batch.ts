/** A batch from its first line to its last: what is sent, what is sent again, and what is told of it in which order. */
import { MintmarkError, type Told, notOurs, unreachable } from "./problems.js";
import type { components } from "./schema.js";
import { type Tries, jsonOf, mayPass, pieces } from "./wire.js";

export type Accepted = components["schemas"]["JobAccepted"];
/** One run of a batch: a workflow (`name`, `name@^1`, `name@stable`) and what `submit` takes. */
export type Order = { workflow: string } & Partial<components["schemas"]["RunBody"]>;

/** A line of which nothing is made. */
const NOTHING = "{}";

/** Orders under one Idempotency-Key. Each line's own key is made of that and of its number; so a line is sent again in
 * its place, with nothing in the places of those that need no more, and never makes two jobs. */
export class Batch {
  readonly #lines: string[];
  readonly #became: (Accepted | MintmarkError | undefined)[];
  /** Lines that were kept out by what may pass, such as a full queue. */
  readonly #refused = new Map<number, MintmarkError>();
  #told = 0;

  /** `send` posts a body of lines and gives the answer, which is NDJSON. */
  constructor(
    orders: Iterable<Order>,
    readonly send: (body: string) => Promise<Response>,
    readonly tries: Tries,
  ) {
    this.#lines = [...orders].map(lineOf);
    this.#became = this.#lines.map(() => undefined);
  }

  /** What became of each order, in order. Throws `service_unreachable` where the line does not hold. */
  async *run(): AsyncGenerator<Accepted | MintmarkError> {
    while (this.#told < this.#lines.length) {
      let cut: unknown;
      try {
        for await (const [number, became] of this.#answers()) {
          this.#take(number, became);
          yield* this.#next();
        }
      } catch (error) {
        if (!(error instanceof MintmarkError)) throw error;
        cut = error;
      }
      const inVain = await this.#waitedInVain(cut);
      yield* this.#next();
      if (inVain && cut !== undefined) throw cut;
    }
  }

  #take(number: number, became: Accepted | MintmarkError): void {
    // What was told is not asked again: one that was refused might be taken in now, and nobody would know.
    if (this.#became[number] !== undefined) return;
    if (became instanceof MintmarkError && mayPass(became)) {
      this.#refused.set(number, became);
      return;
    }
    this.tries.answered();
    this.#became[number] = became;
    this.#refused.delete(number);
  }

  *#next(): Generator<Accepted | MintmarkError> {
    for (let became = this.#became[this.#told]; became !== undefined; became = this.#became[this.#told]) {
      this.#told += 1;
      yield became;
    }
  }

  /** Wait until another try is worth it. True where none is any more: what was refused then stays refused. */
  async #waitedInVain(cut: unknown): Promise<boolean> {
    const seconds = (error: MintmarkError): number => error.problem.retry_after_s ?? 0;
    const [longest] = [...this.#refused.values()].sort((one, other) => seconds(other) - seconds(one));
    const wrong = cut ?? longest;
    if (wrong === undefined) return false;
    try {
      await this.tries.after(wrong);
    } catch (error) {
      if (error !== wrong) throw error; // the caller gave it up
      for (const [number, refused] of this.#refused) this.#became[number] = refused;
      return true;
    }
    return false;
  }

  /** What became of the lines, by their number from 0. */
  async *#answers(): AsyncGenerator<[number, Accepted | MintmarkError]> {
    const sent = this.#lines.map((line, number) => (this.#became[number] === undefined ? line : NOTHING));
    const last = this.#became.lastIndexOf(undefined);
    const answer = await this.send(`${sent.slice(0, last + 1).join("\n")}\n`);
    let number = 0;
    let became: Accepted | MintmarkError | undefined;
    for await (const line of pieces(answer, "\n")) {
      if (number > last) throw notOurs(answer.status);
      became = becameOf(line, answer.status);
      yield [number++, became];
    }
    if (number > last) return;
    if (!(became instanceof MintmarkError) || became.code !== "request_too_large")
      throw unreachable("The answers ended before the batch did.", "Send it again under its key.");
    // That ended the batch: nothing behind it was read.
    while (number < sent.length) yield [number++, became];
  }
}

function lineOf({ workflow, ...order }: Order): string {
  const [name, version] = workflow.split("@");
  return JSON.stringify({ workflow: name, ...(version ? { version } : {}), ...order });
}

function becameOf(line: string, status: number): Accepted | MintmarkError {
  const said = jsonOf(line);
  if (said === null || typeof said !== "object") throw notOurs(status);
  return "problem" in said ? new MintmarkError(said.problem as Told) : (said as Accepted);
}
