//! Passing over what nobody asks for: where a string or a container ends, found sixty-four bytes at a time.
//!
//! Each block of text is turned into bit masks (bit `i` is byte `i`) of its quotes, backslashes and brackets. Quotes that an odd
//! run of backslashes stands before are taken out; a running parity over the rest tells what is inside of strings; and the
//! brackets outside are counted. That is the first stage of simdjson (Langdale and Lemire, *Parsing Gigabytes of JSON per
//! Second*, The VLDB Journal 28, 2019), put to the use that JSONSki makes of it (Jiang and Zhao, *JSONSki: Streaming
//! Semi-structured Data with Bit-Parallel Fast-Forwarding*, ASPLOS 2022): no list of positions is written, a container is counted
//! to its end.
//!
//! What is passed over is not checked: neither its grammar nor its UTF-8, nor that brackets close what they open by kind. An
//! end that is found is inside of the text, and a text that stops inside of a string or a container has none.
//!
//! How the masks are made depends on the machine; [`scan`] is the same for all. The vector forms are functions of `std::arch`,
//! which may be called where the processor is known to have them. Here is where that is known, and the crate's only `unsafe`:
//! [`Skip::new`] is the one place that makes a [`Kind`], and makes no kind that the processor lacks.

mod scan;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64;

#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
mod portable;

/// The way to skip on this processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skip(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    Avx2,
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    Sse2,
    #[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
    Portable,
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[expect(
    unsafe_code,
    reason = "calls functions compiled for features of the processor that are known to be there"
)]
impl Skip {
    /// The quickest there is here; asking costs a few loads.
    pub(super) fn new() -> Skip {
        Skip(if x86_64::has_avx2() {
            Kind::Avx2
        } else {
            Kind::Sse2
        })
    }

    /// One past the bracket that closes the container whose opening bracket is just before `at`.
    #[inline]
    pub(super) fn container(self, text: &[u8], at: usize) -> Option<usize> {
        match self.0 {
            // SAFETY: `new` found AVX2 and what came with it.
            Kind::Avx2 => unsafe { x86_64::avx2::container(text, at) },
            // SAFETY: the whole program is compiled for SSE2.
            Kind::Sse2 => unsafe { x86_64::sse2::container(text, at) },
            #[cfg(test)]
            Kind::Portable => portable::container(text, at),
        }
    }

    /// One past the quote that closes the string whose opening quote is just before `at`.
    #[inline]
    pub(super) fn string(self, text: &[u8], at: usize) -> Option<usize> {
        match self.0 {
            // SAFETY: `new` found AVX2 and what came with it.
            Kind::Avx2 => unsafe { x86_64::avx2::string(text, at) },
            // SAFETY: the whole program is compiled for SSE2.
            Kind::Sse2 => unsafe { x86_64::sse2::string(text, at) },
            #[cfg(test)]
            Kind::Portable => portable::string(text, at),
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
impl Skip {
    /// The one there is.
    pub(super) fn new() -> Skip {
        Skip(Kind::Portable)
    }

    /// One past the bracket that closes the container whose opening bracket is just before `at`.
    pub(super) fn container(self, text: &[u8], at: usize) -> Option<usize> {
        match self.0 {
            Kind::Portable => portable::container(text, at),
        }
    }

    /// One past the quote that closes the string whose opening quote is just before `at`.
    pub(super) fn string(self, text: &[u8], at: usize) -> Option<usize> {
        match self.0 {
            Kind::Portable => portable::string(text, at),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
