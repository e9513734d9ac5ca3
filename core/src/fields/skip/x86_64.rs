//! The masks by vectors of sixteen bytes, which every x86-64 has, and of thirty-two, which most have.

/// Whether the processor has what [`avx2`] is compiled for.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

pub(super) mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    use super::super::scan::{BLOCK, ContainerEnd, Masks, StringEnd, find};

    #[target_feature(enable = "sse2")]
    pub(in super::super) fn container(text: &[u8], at: usize) -> Option<usize> {
        find(text, at, ContainerEnd::new(), |block| masks(block))
    }

    #[target_feature(enable = "sse2")]
    pub(in super::super) fn string(text: &[u8], at: usize) -> Option<usize> {
        find(text, at, StringEnd::default(), |block| masks(block))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let (chunks, _) = block.as_chunks();
        let [a, b, c, d] = [
            load(&chunks[0]),
            load(&chunks[1]),
            load(&chunks[2]),
            load(&chunks[3]),
        ];
        // The two kinds of brackets differ in this bit alone.
        let bit = _mm_set1_epi8(0x20);
        let brackets = [
            _mm_or_si128(a, bit),
            _mm_or_si128(b, bit),
            _mm_or_si128(c, bit),
            _mm_or_si128(d, bit),
        ];
        Masks {
            quotes: equal([a, b, c, d], b'"'),
            backslashes: equal([a, b, c, d], b'\\'),
            opens: equal(brackets, b'{'),
            closes: equal(brackets, b'}'),
        }
    }

    /// One load, seen by the compiler.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(bytes: &[u8; 16]) -> __m128i {
        let number = u128::from_le_bytes(*bytes);
        _mm_set_epi64x((number >> 64) as i64, number as i64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal(bytes: [__m128i; 4], byte: u8) -> u64 {
        let byte = _mm_set1_epi8(byte as i8);
        let [a, b, c, d] = bytes.map(|bytes| _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, byte)) as u64);
        a | b << 16 | c << 32 | d << 48
    }
}

pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_set1_epi8,
    };

    use super::super::scan::{BLOCK, ContainerEnd, Masks, StringEnd, find};

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(in super::super) fn container(text: &[u8], at: usize) -> Option<usize> {
        find(text, at, ContainerEnd::new(), |block| masks(block))
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(in super::super) fn string(text: &[u8], at: usize) -> Option<usize> {
        find(text, at, StringEnd::default(), |block| masks(block))
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let (chunks, _) = block.as_chunks();
        let [a, b] = [load(&chunks[0]), load(&chunks[1])];
        // The two kinds of brackets differ in this bit alone.
        let bit = _mm256_set1_epi8(0x20);
        let brackets = [_mm256_or_si256(a, bit), _mm256_or_si256(b, bit)];
        Masks {
            quotes: equal([a, b], b'"'),
            backslashes: equal([a, b], b'\\'),
            opens: equal(brackets, b'{'),
            closes: equal(brackets, b'}'),
        }
    }

    /// One load, seen by the compiler.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    fn load(bytes: &[u8; 32]) -> __m256i {
        let (words, _) = bytes.as_chunks();
        _mm256_set_epi64x(
            i64::from_le_bytes(words[3]),
            i64::from_le_bytes(words[2]),
            i64::from_le_bytes(words[1]),
            i64::from_le_bytes(words[0]),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    fn equal([a, b]: [__m256i; 2], byte: u8) -> u64 {
        let byte = _mm256_set1_epi8(byte as i8);
        let a = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a, byte)) as u32;
        let b = _mm256_movemask_epi8(_mm256_cmpeq_epi8(b, byte)) as u32;
        u64::from(a) | u64::from(b) << 32
    }
}
