/**
 * Client of a Mintmark service, for Node 20 and browsers: submit, wait, stream.
 *
 *     const client = new Mintmark({ url: "http://localhost:8199", apiKey: process.env.MINTMARK_CLIENT_API_KEY });
 *     const job = await client.wait(await client.generate({ prompt: "a red fox", size: { width: 512, height: 512 } }));
 *     const bytes = await client.download(job.outputs[0]!);
 *
 * `schema.ts` is made from the service's OpenAPI document by `make typescript`; this file is written by hand.
 */
import type { components } from "./schema.js";

type Schemas = components["schemas"];
export type Job = Schemas["JobView"];
export type Accepted = Schemas["JobAccepted"];
export type Output = Schemas["OutputView"];
export type Problem = Schemas["Problem"];
/** What has a default in the document may be left out. */
type Given<T, Required extends keyof T = never> = Partial<Omit<T, Required>> & Pick<T, Required>;
export type ImagesOrder = Given<Schemas["ImagesBody"], "prompt">;
export type RunOrder = Given<Schemas["RunBody"]>;

export interface Options {
  url: string;
  apiKey?: string | undefined;
  /** How often a request is sent at most, and twice as often in a row while a job is followed. Creates carry an
   * Idempotency-Key, so nothing is made twice. */
  tries?: number;
}

export interface Asking {
  idempotencyKey?: string;
  /** Seconds that the service is given to finish before it answers. */
  wait?: number;
}

export interface Following {
  /** Ends it; what it was aborted with is thrown. The job itself goes on. */
  signal?: AbortSignal | undefined;
}

export interface Waiting extends Following {
  /** Seconds after which `waited_too_long` is thrown. The job itself goes on. With it, it is this that ends the wait,
   * whatever the line does meanwhile. */
  timeout?: number | undefined;
}

/** Something that was heard of a job: a transition (`seq` is set) or `progress`. */
export interface Update {
  kind: string;
  seq: number | null;
  data: Record<string, unknown>;
}

/** What the service says is wrong, as its problem document (RFC 9457) says it. */
export class MintmarkError extends Error {
  override readonly name = "MintmarkError";
  constructor(readonly problem: Given<Problem, "status" | "code" | "detail">) {
    super(`${problem.detail} [${problem.code}]`);
  }
  get code(): string {
    return this.problem.code;
  }
}

const OVER = new Set(["succeeded", "failed", "canceled"]);
const LAST = new Set([...OVER, "superseded", "deadline_passed"]);
const GATEWAY = new Set([502, 503, 504]);
const AGAIN = new Set([429, ...GATEWAY]);
const UNREACHABLE = "service_unreachable";
/** The longest time that a timer takes, in milliseconds; what is longer would be over at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Throws what the signal was aborted with, as soon as it is. */
function pause(seconds: number, signal?: AbortSignal): Promise<void> {
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
class Tries {
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
    // What `fetch` and a body that breaks off throw is a TypeError.
    const passes = problem ? problem.code === UNREACHABLE || AGAIN.has(problem.status) : error instanceof TypeError;
    if (!passes || this.#failed >= this.most) throw error;
    await pause(Math.min(problem?.retry_after_s ?? Math.min(0.1 * 2 ** this.#failed, 5), 30), this.signal);
  }
}

export class Mintmark {
  readonly url: string;
  readonly #headers: Record<string, string>;
  readonly #tries: number;

  constructor({ url, apiKey, tries = 5 }: Options) {
    this.url = url.replace(/\/+$/, "");
    this.#headers = apiKey ? { Authorization: `Bearer ${apiKey}` } : {};
    this.#tries = tries;
  }

  /** Images from a prompt. */
  generate(order: ImagesOrder, asking: Asking = {}): Promise<Accepted | Job> {
    return this.#create("/v1/images/generations", order, asking);
  }

  /** Run a workflow: `name`, `name@^1` or `name@stable`. */
  submit(workflow: string, order: RunOrder = {}, asking: Asking = {}): Promise<Accepted | Job> {
    const [name = "", version] = workflow.split("@");
    return this.#create(`/v1/workflows/${encodeURIComponent(name)}/runs`, version ? { ...order, version } : order, asking);
  }

  async #create(path: string, body: unknown, asking: Asking): Promise<Accepted | Job> {
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      "Idempotency-Key": asking.idempotencyKey ?? crypto.randomUUID(),
    };
    if (asking.wait !== undefined) headers["Prefer"] = `wait=${Math.round(asking.wait)}`;
    return this.#json("POST", path, { headers, body: JSON.stringify(body) });
  }

  /** The job as it stands. */
  job(job: string | Accepted | Job): Promise<Job> {
    return this.#json("GET", `/v1/jobs/${idOf(job)}`);
  }

  /** The job once it is over, however it ended: look at its `status`. */
  async wait(job: string | Accepted | Job, { timeout, signal }: Waiting = {}): Promise<Job> {
    const ended = new AbortController();
    const abort = (): void => ended.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const late = (): void => ended.abort(waitedTooLong(idOf(job), timeout));
    const timer = timeout === undefined ? undefined : setTimeout(late, Math.min(timeout * 1000, LONGEST_MS));
    try {
      return await this.#wait(job, new Tries(timeout === undefined ? this.#tries : Infinity, ended.signal));
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  async #wait(job: string | Accepted | Job, tries: Tries): Promise<Job> {
    // The stream is a hint, and may be kept from us; the job itself is the truth.
    try {
      for await (const update of this.stream(job, 0, { signal: tries.signal })) if (LAST.has(update.kind)) break;
    } catch (error) {
      tries.signal?.throwIfAborted();
      if (!(error instanceof MintmarkError || error instanceof TypeError)) throw error;
    }
    for (let found = await this.#look(job, tries); ; found = await this.#look(job, tries)) {
      if (OVER.has(found.status)) return found;
      tries.answered();
      await pause(1, tries.signal);
    }
  }

  #look(job: string | Accepted | Job, tries: Tries): Promise<Job> {
    return this.#json("GET", `/v1/jobs/${idOf(job)}`, {}, tries);
  }

  /** What happens to the job, from its first event to its last, over broken lines. */
  async *stream(job: string | Accepted | Job, after = 0, { signal }: Following = {}): AsyncGenerator<Update> {
    const tries = new Tries(2 * this.#tries, signal);
    for (let seen = after, over = false; ; ) {
      let silent = true;
      try {
        for await (const update of this.#heard(idOf(job), seen, tries)) {
          silent = false;
          seen = update.seq ?? seen;
          yield update;
          if (LAST.has(update.kind)) return;
        }
        if (over && silent) return; // it was over before, and there is nothing after what was asked for
        over = OVER.has((await this.#look(job, new Tries(this.#tries, signal))).status);
        throw unreachable(200, "The stream ended before the job did.");
      } catch (error) {
        await tries.after(error);
      }
    }
  }

  async *#heard(jobId: string, after: number, tries: Tries): AsyncGenerator<Update> {
    const headers = { ...this.#headers, Accept: "text/event-stream", "Last-Event-ID": String(after) };
    const answer = await fetch(`${this.url}/v1/jobs/${jobId}/events`, { headers, signal: tries.signal ?? null });
    if (!answer.ok) throw await problemOf(answer);
    const isStream = answer.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (answer.body === null || !isStream) throw notOurs(answer.status);
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of chunks(answer.body)) {
      tries.answered();
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const update = parsed(text.slice(0, end));
        text = text.slice(end + 2);
        if (update !== null) yield update;
      }
    }
  }

  /** Stop it, and give back what it has not spent. */
  async cancel(job: string | Accepted | Job): Promise<Job> {
    try {
      return await this.#json<Job>("POST", `/v1/jobs/${idOf(job)}/cancel`);
    } catch (error) {
      if (!(error instanceof MintmarkError) || error.code !== "wrong_state") throw error;
      // An earlier sending may have done it, whose answer was lost.
      const found = await this.job(job);
      if (found.status !== "canceled") throw error;
      return found;
    }
  }

  /** All jobs that fit (`status`, `workflow`, `user`, `since` …), newest first, page by page. */
  async *jobs(where: Record<string, string> = {}): AsyncGenerator<Job> {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams(cursor === null ? where : { ...where, cursor });
      const page: Schemas["JobPage"] = await this.#json("GET", `/v1/jobs?${query}`);
      yield* page.jobs;
      cursor = page.next;
    } while (cursor !== null);
  }

  /** The file's bytes, as they were signed. Of an output that waits for a person to accept it there are none yet. */
  async download(output: Output): Promise<Uint8Array> {
    if (output.image_url === null) {
      const detail = "A person has to accept this output first.";
      throw new MintmarkError({ status: 403, code: "output_withheld", detail });
    }
    const url = output.image_url;
    return this.#asked(
      () => fetch(url),
      async (answer) => new Uint8Array(await answer.arrayBuffer()),
    );
  }

  #json<T>(
    method: string,
    path: string,
    init: { headers?: Record<string, string>; body?: string } = {},
    tries = new Tries(this.#tries),
  ): Promise<T> {
    const sent = { ...init, method, headers: { ...this.#headers, ...init.headers }, signal: tries.signal ?? null };
    return this.#asked(
      () => fetch(this.url + path, sent),
      async (answer) => {
        const text = await answer.text();
        try {
          return JSON.parse(text) as T;
        } catch {
          throw notOurs(answer.status);
        }
      },
      tries,
    );
  }

  async #asked<T>(
    ask: () => Promise<Response>,
    take: (answer: Response) => Promise<T>,
    tries = new Tries(this.#tries),
  ): Promise<T> {
    for (;;) {
      try {
        const answer = await ask();
        if (!answer.ok) throw await problemOf(answer);
        return await take(answer);
      } catch (error) {
        await tries.after(error);
      }
    }
  }
}

function idOf(job: string | Accepted | Job): string {
  return typeof job === "string" ? job : job.job_id;
}

async function problemOf(answer: Response): Promise<MintmarkError> {
  const said: unknown = await answer.json().catch(() => null);
  const told = said !== null && typeof said === "object" && "code" in said ? (said as Problem) : null;
  if (told === null && GATEWAY.has(answer.status)) return notOurs(answer.status, secondsOf(answer));
  const problem = told ?? { code: "internal_error", detail: `HTTP ${answer.status}` };
  const seconds = secondsOf(answer) ?? told?.retry_after_s ?? null;
  return new MintmarkError({ ...problem, status: answer.status, retry_after_s: seconds });
}

/** What is told of an answer that cannot be the service's own. */
function notOurs(status: number, seconds: number | null = null): MintmarkError {
  return unreachable(status, `Something before the service answers in its place: HTTP ${status}.`, seconds);
}

function waitedTooLong(jobId: string, seconds: number | undefined): MintmarkError {
  const detail = `Job ${jobId} is not over after ${seconds} s.`;
  const hint = "It goes on; ask for it again, or cancel it.";
  return new MintmarkError({ status: 504, code: "waited_too_long", detail, hint });
}

function unreachable(status: number, detail: string, seconds: number | null = null): MintmarkError {
  return new MintmarkError({ status, code: UNREACHABLE, detail, retry_after_s: seconds });
}

/** `Retry-After`, where it says how long; null where it says nothing, or a date. */
function secondsOf(answer: Response): number | null {
  const told = answer.headers.get("Retry-After") ?? "";
  return /^[0-9]+$/.test(told) ? Number(told) : null;
}

/** One event of a stream (WHATWG HTML, section 9.2); null for a comment. */
function parsed(block: string): Update | null {
  const update: Update = { kind: "message", seq: null, data: {} };
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).replace(/^ /, "")];
    if (name === "event") update.kind = value;
    else if (name === "id") update.seq = Number(value);
    else if (name === "data") data.push(value);
  }
  if (data.length === 0) return null;
  return { ...update, data: read(data.join("\n")) };
}

function read(text: string): Record<string, unknown> {
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // It is a text then.
  }
  return value !== null && typeof value === "object" && !Array.isArray(value) ? { ...value } : { value };
}

async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
