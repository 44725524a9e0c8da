/** What goes wrong, as one error class with the service's own code, sentence and hint. */
import type { components } from "./schema.js";

export type Problem = components["schemas"]["Problem"];
/** What has a default in the document may be left out. */
export type Given<T, Required extends keyof T = never> = Partial<Omit<T, Required>> & Pick<T, Required>;
export type Told = Given<Problem, "status" | "code" | "detail">;

/** The code of what never reached the service, or whose answer never came. */
export const UNREACHABLE = "service_unreachable";
const GATEWAY = new Set([502, 503, 504]);
/** Statuses of what may well pass. */
export const AGAIN = new Set([429, ...GATEWAY]);

/** What the service says is wrong, as its problem document (RFC 9457) says it. */
export class MintmarkError extends Error {
  override readonly name = "MintmarkError";
  constructor(readonly problem: Told) {
    super([problem.detail, problem.hint, `[${problem.code}]`].filter(Boolean).join(" "));
  }
  get code(): string {
    return this.problem.code;
  }
  /** How to mend it; empty where nobody knows. */
  get hint(): string {
    return this.problem.hint ?? "";
  }
}

/** The error of an answer that is none of success. */
export async function problemOf(answer: Response): Promise<MintmarkError> {
  const said: unknown = await answer.json().catch(() => null);
  const told = said !== null && typeof said === "object" && "code" in said ? (said as Problem) : null;
  if (told === null && GATEWAY.has(answer.status)) return notOurs(answer.status, secondsOf(answer));
  const problem = told ?? { code: "internal_error", detail: `HTTP ${answer.status}` };
  const seconds = secondsOf(answer) ?? told?.retry_after_s ?? null;
  return new MintmarkError({ ...problem, status: answer.status, retry_after_s: seconds });
}

/** What is told of an answer that cannot be the service's own. */
export function notOurs(status: number, seconds: number | null = null): MintmarkError {
  const detail = `Something before the service answers in its place: HTTP ${status}.`;
  return unreachable(detail, "Is the service running?", status, seconds);
}

export function unreachable(detail: string, hint: string, status = 503, seconds: number | null = null): MintmarkError {
  return new MintmarkError({ status, code: UNREACHABLE, detail, hint, retry_after_s: seconds });
}

export function waitedTooLong(jobId: string, seconds: number | undefined): MintmarkError {
  const detail = `Job ${jobId} is not over after ${seconds} s.`;
  const hint = "It goes on; ask for it again, or cancel it.";
  return new MintmarkError({ status: 504, code: "waited_too_long", detail, hint });
}

/** `Retry-After`, where it says how long; null where it says nothing, or a date. */
function secondsOf(answer: Response): number | null {
  const told = answer.headers.get("Retry-After") ?? "";
  return /^[0-9]+$/.test(told) ? Number(told) : null;
}
