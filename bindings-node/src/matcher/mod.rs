//! Filters without a hub: who of the members of a matcher wants an object that lives in JavaScript.
//!
//! Such an object never becomes native. JavaScript reads off it the few fields that live filters name, puts them on a
//! *desk* and asks; the answer lies on the same desk. There is one desk for all matchers of an event loop, so that a
//! matcher for each topic costs little. [`desk`] says what lies where, [`raw`] is the question itself: the one call that
//! is made for every event, and therefore made by hand.
//!
//! Invariants:
//! - A matcher's number stands for it until it is dropped; the answer for a number that stands for none is nobody.
//! - No borrow of the desk's contents is held while JavaScript runs or may collect garbage.

mod desk;
mod raw;

use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{Float64Array, Object, Uint32Array};
use napi_derive::napi;

use crate::error::{Code, Result, error};
use crate::filters::NativeFilter;
use desk::Desk;

/// Where questions are put and answered.
#[napi]
pub struct NativeDesk {
    desk: Rc<Desk>,
}

#[napi]
impl NativeDesk {
    /// A desk over memory that JavaScript shares, and keeps to itself.
    #[napi(constructor, catch_unwind)]
    pub fn new(heads: Uint32Array, numbers: Float64Array, answers: Uint32Array) -> Self {
        NativeDesk {
            desk: Rc::new(Desk::new(heads, numbers, answers)),
        }
    }

    /// The calls by which questions are asked: `fields`, `strings`, `text` and `bytes`.
    #[napi(catch_unwind)]
    pub fn questions<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        raw::questions(env, &self.desk)
    }

    /// Lays out the answers from this one on; how many there was room for.
    #[napi(catch_unwind)]
    pub fn answers(&self, from: u32) -> u32 {
        self.desk.lay_out(from as usize)
    }
}

/// Members, each with a filter.
#[napi]
pub struct NativeMatcher {
    desk: Rc<Desk>,
    number: u32,
}

#[napi]
impl NativeMatcher {
    /// A matcher without members.
    #[napi(constructor, catch_unwind)]
    pub fn new(at: &NativeDesk) -> Self {
        NativeMatcher {
            number: at.desk.open(),
            desk: Rc::clone(&at.desk),
        }
    }

    /// What stands for this matcher in questions.
    #[napi(getter, catch_unwind)]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Adds a member, behind all others; the number it has among them.
    #[napi(catch_unwind)]
    pub fn add(&self, filter: &NativeFilter) -> Result<u32> {
        self.desk
            .with(self.number, |members| members.add(filter.filter().clone()))
            .ok_or_else(|| error(Code::Closed, "the matcher is gone"))
    }

    /// Takes a member out.
    #[napi(catch_unwind)]
    pub fn remove(&self, member: u32) {
        self.desk
            .with(self.number, |members| members.remove(member));
    }

    /// The fields that its filters name. Questions say a field by its place in this list.
    #[napi(catch_unwind)]
    pub fn fields(&self) -> Vec<String> {
        self.desk
            .with(self.number, desk::Members::fields)
            .unwrap_or_default()
    }

    /// What [`fields`](Self::fields) was of last; a question of another version is not answered.
    #[napi(getter, catch_unwind)]
    pub fn version(&self) -> f64 {
        self.desk
            .with(self.number, |members| members.version())
            .unwrap_or_default()
    }
}

impl Drop for NativeMatcher {
    fn drop(&mut self) {
        self.desk.close(self.number);
    }
}
