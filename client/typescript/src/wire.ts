/** Requests and the answers' bodies: what breaks there is `service_unreachable`, whatever `fetch` calls it. */
import { AGAIN, MintmarkError, UNREACHABLE, problemOf, unreachable } from "./problems.js";

/** How long a `Retry-After` is heeded at most, and what a line of a batch waits for; in seconds. */
const LONGEST_S = 30;

/** Throws what the signal was aborted with, as soon as it is. */
export function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    signal?.throwIfAborted();
    const aborted = (): void => {
      clearTimeout(timer);
      failed(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      done();
    }, seconds * 1000);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** How often something is asked again that a broken line, a proxy or a limit kept out. */
export class Tries {
  #failed = 0;
  constructor(
    readonly most: number,
    readonly signal?: AbortSignal,
  ) {}
  /** It goes on: what fails after this begins a new row. */
  answered(): void {
    this.#failed = 0;
  }
  /** Wait until it is worth another try. Throws the error where it is not. */
  async after(error: unknown): Promise<void> {
    // Who gave it up is told so, and not what that looked like on the line.
    this.signal?.throwIfAborted();
    this.#failed += 1;
    const problem = error instanceof MintmarkError ? error.problem : null;
    const passes = problem !== null && (problem.code === UNREACHABLE || AGAIN.has(problem.status));
    if (!passes || this.#failed >= this.most) throw error;
    await pause(Math.min(problem.retry_after_s ?? Math.min(0.1 * 2 ** this.#failed, 5), LONGEST_S), this.signal);
  }
}

/** Whether a line of a batch was kept out by what may be over when the service says: a full queue, a limit, a stop. */
export function mayPass({ problem }: MintmarkError): boolean {
  return AGAIN.has(problem.status) && (problem.retry_after_s ?? Infinity) <= LONGEST_S;
}

/** One request, sent once. Throws what the service says is wrong. */
export async function send(url: string, init: RequestInit = {}): Promise<Response> {
  const answer = await onTheLine(url, () => fetch(url, init));
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** What `fetch` and a body that breaks off throw is a TypeError that says little; this says who does not answer. */
export async function onTheLine<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const { message, cause } = error as { message: string; cause?: { message?: string; code?: string } };
    const why = cause?.message || cause?.code || message;
    const where = URL.canParse(url) ? new URL(url).origin : url;
    const hint = "Is it running there? `mintmark serve` starts it.";
    throw unreachable(`The service at ${where} does not answer (${why}).`, hint);
  }
}

/** The text of an answer as it comes, cut where `end` stands; what nothing ends any more is left out. */
export async function* pieces(answer: Response, end: string): AsyncGenerator<string> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  try {
    for (let text = ""; reader !== undefined; ) {
      const part = await onTheLine(answer.url, () => reader.read());
      if (part.done) return;
      const found = (text + decoder.decode(part.value, { stream: true })).split(end);
      text = found.pop() ?? "";
      yield* found;
    }
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

/** The JSON that the text is; undefined where it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
