//! The language as a whole: cases as data, and a second evaluator to agree with.

mod cases;
mod naive;
mod whole;
