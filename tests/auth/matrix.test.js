// Random policies through every door, against an evaluator that knows nothing but the documentation. MATRIX_POLICIES asks for
// more of them, and MATRIX_SEED for the same again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AT_ONCE, matrix } from "./matrix.js";

const POLICIES = Number(process.env.MATRIX_POLICIES ?? 500);
const SEED = Number(process.env.MATRIX_SEED ?? 1 + Math.floor(Math.random() * 1e9));

test(`${POLICIES} random policies agree with a naive evaluator, from MATRIX_SEED=${SEED} on`, async (context) => {
  let [asked, granted] = [0, 0];
  for (let done = 0; done < POLICIES; done += AT_ONCE) {
    const count = Math.min(AT_ONCE, POLICIES - done);
    const answers = await matrix(SEED + done, count);
    assert.deepEqual(answers.wrong.slice(0, 3), [], `MATRIX_SEED=${SEED + done} MATRIX_POLICIES=${count} gives ${answers.wrong.length} wrong answers`);
    asked += answers.asked;
    granted += answers.granted;
  }
  context.diagnostic(`${asked} questions, ${granted} allowed`);
  assert.ok(granted > asked / 20 && granted < asked / 2, "both answers are asked for");
});
