/**
 * Client of a Mintmark service, for Node 20 and browsers: submit, wait, stream, upload, batch.
 *
 *     const client = new Mintmark({ url: "http://localhost:8199", apiKey: process.env.MINTMARK_CLIENT_API_KEY });
 *     const job = await client.wait(await client.generate({ prompt: "a red fox", size: { width: 512, height: 512 } }));
 *     const bytes = await client.download(job.outputs[0]!);
 *
 * `schema.ts` is made from the service's OpenAPI document by `make typescript`; this file is written by hand.
 */
import { type Accepted, Batch, type Order } from "./batch.js";
import { type Given, MintmarkError, notOurs, unreachable, waitedTooLong } from "./problems.js";
import type { components } from "./schema.js";
import { Tries, jsonOf, onTheLine, pause, pieces, send } from "./wire.js";

export { MintmarkError, type Problem } from "./problems.js";
export type { Accepted, Order } from "./batch.js";

type Schemas = components["schemas"];
export type Job = Schemas["JobView"];
export type Output = Schemas["OutputView"];
export type ImagesOrder = Given<Schemas["ImagesBody"], "prompt">;
export type RunOrder = Given<Schemas["RunBody"]>;
/** A picture's bytes: a `File` of a form, a `Buffer` of `readFile`. */
export type Picture = Blob | BufferSource;

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

export interface Batching extends Following {
  idempotencyKey?: string;
}

/** Something that was heard of a job: a transition (`seq` is set) or `progress`. */
export interface Update {
  kind: string;
  seq: number | null;
  data: Record<string, unknown>;
}

const OVER = new Set(["succeeded", "failed", "canceled"]);
const LAST = new Set([...OVER, "superseded", "deadline_passed"]);
/** The longest time that a timer takes, in milliseconds; what is longer would be over at once. */
const LONGEST_MS = 2 ** 31 - 1;

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

  /** Put a picture there; the id is what to give as the value of an input of type `image`. */
  async upload(picture: Picture): Promise<string> {
    const headers = { "Content-Type": "application/octet-stream" };
    return (await this.#json<Schemas["UploadView"]>("POST", "/v1/uploads", { headers, body: picture })).id;
  }

  /**
   * Many runs at once, up to 10,000: what became of each, in order, as soon as it is known. One that is refused gives its
   * error in its place.
   *
   * One that a full queue or a limit keeps out is sent again before: for as long as others get in, and then some times in
   * a row. Where the line is cut, the rest is sent again under the same Idempotency-Key. No job is made twice. With a key
   * of your own another process can go on with the same orders.
   */
  batch(orders: Iterable<Order>, { idempotencyKey, signal }: Batching = {}): AsyncGenerator<Accepted | MintmarkError> {
    const headers = {
      ...this.#headers,
      "Content-Type": "application/x-ndjson",
      "Idempotency-Key": idempotencyKey ?? crypto.randomUUID(),
    };
    const url = `${this.url}/v1/batches`;
    const post = (body: string): Promise<Response> => send(url, { method: "POST", headers, body, signal: signal ?? null });
    return new Batch(orders, post, new Tries(this.#tries, signal)).run();
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
      if (!(error instanceof MintmarkError)) throw error;
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
        throw unreachable("The stream ended before the job did.", "Ask for the job itself.");
      } catch (error) {
        await tries.after(error);
      }
    }
  }

  async *#heard(jobId: string, after: number, tries: Tries): AsyncGenerator<Update> {
    const headers = { ...this.#headers, Accept: "text/event-stream", "Last-Event-ID": String(after) };
    const answer = await send(`${this.url}/v1/jobs/${jobId}/events`, { headers, signal: tries.signal ?? null });
    if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) throw notOurs(answer.status);
    for await (const block of pieces(answer, "\n\n")) {
      tries.answered();
      const update = parsed(block);
      if (update !== null) yield update;
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

  /** The same again, as a new job, for one that failed or was canceled. */
  retry(job: string | Accepted | Job): Promise<Accepted | Job> {
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    return this.#json("POST", `/v1/jobs/${idOf(job)}/retry`, { headers });
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
      throw new MintmarkError({ status: 403, code: "output_withheld", detail, hint: "Look at the job again later." });
    }
    return this.#asked(output.image_url, {}, async (answer) => new Uint8Array(await answer.arrayBuffer()));
  }

  #json<T>(
    method: string,
    path: string,
    init: { headers?: Record<string, string>; body?: BodyInit } = {},
    tries = new Tries(this.#tries),
  ): Promise<T> {
    const sent = { ...init, method, headers: { ...this.#headers, ...init.headers }, signal: tries.signal ?? null };
    const take = async (answer: Response): Promise<T> => {
      const said = jsonOf(await answer.text());
      if (said === undefined) throw notOurs(answer.status);
      return said as T;
    };
    return this.#asked(this.url + path, sent, take, tries);
  }

  async #asked<T>(
    url: string,
    sent: RequestInit,
    take: (answer: Response) => Promise<T>,
    tries = new Tries(this.#tries),
  ): Promise<T> {
    for (;;) {
      try {
        const answer = await send(url, sent);
        return await onTheLine(url, () => take(answer));
      } catch (error) {
        await tries.after(error);
      }
    }
  }
}

function idOf(job: string | Accepted | Job): string {
  return typeof job === "string" ? job : job.job_id;
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
  const text = data.join("\n");
  const found = jsonOf(text);
  const value = found === undefined ? text : found;
  const named = value !== null && typeof value === "object" && !Array.isArray(value);
  return { ...update, data: named ? { ...value } : { value } };
}
