//! The kit's own tests: its suites pass on an honest toy and fail on flawed ones.

mod conformance;
mod history;
mod toy;
