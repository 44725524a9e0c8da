// Decimal numbers as Python's `decimal` computes them by default: 28 significant digits, ties to even. Money needs the
// very same sums on the node and in the ledger, and binary floating point does not give them.
const DIGITS = 28;

export class Decimal {
  /** `coefficient` × 10^`exponent`. */
  constructor(coefficient, exponent) {
    this.coefficient = coefficient;
    this.exponent = exponent;
  }

  /** From a number or a numeral such as "3000", "0.04", "1e-7". Throws SyntaxError for anything else. */
  static of(value) {
    if (value instanceof Decimal) return value;
    const found = /^([+-]?)(\d+)(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(String(value));
    if (!found) throw new SyntaxError(`no number: ${value}`);
    const [, sign, whole, part = "", power = "0"] = found;
    return new Decimal(BigInt(`${sign === "-" ? "-" : ""}${whole}${part}`), Number(power) - part.length);
  }

  plus(other) {
    const [a, b, exponent] = aligned(this, Decimal.of(other));
    return rounded(a + b, exponent);
  }

  minus(other) {
    const { coefficient, exponent } = Decimal.of(other);
    return this.plus(new Decimal(-coefficient, exponent));
  }

  times(other) {
    const { coefficient, exponent } = Decimal.of(other);
    return rounded(this.coefficient * coefficient, this.exponent + exponent);
  }

  over(other) {
    const divisor = Decimal.of(other);
    const shift = DIGITS + digits(divisor.coefficient) + 1;
    const scaled = this.coefficient * 10n ** BigInt(shift);
    let quotient = scaled / divisor.coefficient;
    // A remainder beyond the last digit decides a tie; one digit of its own is enough to say that there is one.
    const exact = quotient * divisor.coefficient === scaled;
    quotient = quotient * 10n + (exact ? 0n : 1n);
    return rounded(quotient, this.exponent - divisor.exponent - shift - 1);
  }

  max(other) {
    const given = Decimal.of(other);
    const [a, b] = aligned(this, given);
    return a >= b ? this : given;
  }

  /** The next whole number up, as a Number. */
  ceil() {
    const { whole, rest } = this.#split();
    return Number(whole + (rest > 0n ? 1n : 0n));
  }

  /** The nearest whole number, as a Number; halves go away from zero. */
  round() {
    const { whole, rest, unit } = this.#split();
    const size = rest < 0n ? -rest : rest;
    return Number(whole + (size * 2n >= unit ? (this.coefficient < 0n ? -1n : 1n) : 0n));
  }

  #split() {
    if (this.exponent >= 0) return { whole: this.coefficient * 10n ** BigInt(this.exponent), rest: 0n, unit: 1n };
    const unit = 10n ** BigInt(-this.exponent);
    return { whole: this.coefficient / unit, rest: this.coefficient % unit, unit };
  }
}

function aligned(a, b) {
  const exponent = Math.min(a.exponent, b.exponent);
  return [a, b].map((each) => each.coefficient * 10n ** BigInt(each.exponent - exponent)).concat(exponent);
}

function digits(number) {
  return String(number < 0n ? -number : number).length;
}

function rounded(coefficient, exponent) {
  const excess = digits(coefficient) - DIGITS;
  if (excess <= 0) return new Decimal(coefficient, exponent);
  const unit = 10n ** BigInt(excess);
  const negative = coefficient < 0n;
  const size = negative ? -coefficient : coefficient;
  let kept = size / unit;
  const twice = (size % unit) * 2n;
  if (twice > unit || (twice === unit && kept % 2n === 1n)) kept += 1n;
  return rounded(negative ? -kept : kept, exponent + excess);
}
