//! What a Redis server sends to clients that subscribe, ping and quit.

use super::{Item, Unexpected};

/// Incremental: a read may end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// The line that is being read.
    line: Vec<u8>,
    /// Bytes of a string that are stepped over, its line end included.
    skip: usize,
    /// Elements of an array that are still to come.
    elements: usize,
}

impl Scanner {
    pub(crate) fn scan(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Item<'_>),
    ) -> Result<(), Unexpected> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let taken = bytes.len().min(self.skip);
                bytes = &bytes[taken..];
                self.skip -= taken;
                if self.skip == 0 {
                    self.string_ends(&mut each);
                }
                continue;
            }
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(bytes.len(), |end| end + 1);
            self.line.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if end.is_some() {
                self.line_ends(&mut each)?;
                self.line.clear();
            }
        }
        Ok(())
    }

    fn line_ends(&mut self, each: &mut impl FnMut(Item<'_>)) -> Result<(), Unexpected> {
        let unexpected = || Unexpected(String::from_utf8_lossy(&self.line).trim().to_owned());
        let (kind, rest) = self.line.split_first().ok_or_else(unexpected)?;
        let number = || str::from_utf8(rest).ok()?.trim().parse::<usize>().ok();
        match kind {
            b'*' => self.elements = number().ok_or_else(unexpected)?,
            b'$' => self.skip = number().ok_or_else(unexpected)? + 2,
            // The count that ends the answer to SUBSCRIBE.
            b':' => {
                self.elements = 0;
                each(Item::Ready);
            }
            b'+' if rest.starts_with(b"PONG") => each(Item::Pong),
            b'+' => each(Item::Close),
            _ => return Err(unexpected()),
        }
        Ok(())
    }

    fn string_ends(&mut self, each: &mut impl FnMut(Item<'_>)) {
        match self.elements {
            // The answer to ECHO.
            0 => each(Item::Ready),
            1 => {
                self.elements = 0;
                each(Item::Event(&[]));
            }
            _ => self.elements -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_wherever_reads_end() {
        let bytes = b"$5\r\nready\r\n+PONG\r\n*3\r\n$9\r\nsubscribe\r\n$3\r\nall\r\n:1\r\n\
            *3\r\n$7\r\nmessage\r\n$3\r\nall\r\n$4\r\n\r\n\r\n\r\n+OK\r\n";
        let wanted = [
            Item::Ready,
            Item::Pong,
            Item::Ready,
            Item::Event(&[]),
            Item::Close,
        ];
        for piece in [1, 2, 5, usize::MAX] {
            let (mut scanner, mut seen) = (Scanner::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                let each = |item: Item<'_>| seen.push(format!("{item:?}"));
                scanner.scan(piece, each).unwrap();
            }
            let wanted = wanted.iter().map(|item| format!("{item:?}"));
            assert_eq!(seen, wanted.collect::<Vec<_>>());
        }
    }
}
