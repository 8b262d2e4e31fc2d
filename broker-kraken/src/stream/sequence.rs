//! Numbers of messages, and what is missing between them.

/// Whether the two channels of a connection count together or each for itself is not documented. The second one that
/// is heard tells.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    last: [Option<u64>; 2],
    newest: Option<u64>,
    together: Option<bool>,
}

impl Sequence {
    /// Takes the number of a message of a channel; false where something before it is missing.
    pub(super) fn take(&mut self, channel: usize, number: u64) -> bool {
        let Some(last) = self.last.get(channel).copied() else {
            return true;
        };
        if last.is_none() && self.newest.is_some() {
            self.together = Some(self.newest.is_some_and(|newest| number > newest));
        }
        let before = match self.together {
            Some(true) => self.newest,
            _ => last,
        };
        if let Some(slot) = self.last.get_mut(channel) {
            *slot = Some(number);
        }
        self.newest = Some(number);
        before.is_none_or(|before| number == before + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_count_for_themselves() {
        let mut sequence = Sequence::default();
        let taken: Vec<bool> = [(0, 1), (1, 1), (0, 2), (0, 3), (1, 2), (1, 4), (1, 5), (0, 4)]
            .map(|(channel, number)| sequence.take(channel, number))
            .to_vec();
        assert_eq!(taken, [true, true, true, true, true, false, true, true]);
    }

    #[test]
    fn channels_that_count_together() {
        let mut sequence = Sequence::default();
        let taken: Vec<bool> = [(0, 1), (1, 2), (0, 3), (0, 4), (1, 5), (1, 7), (0, 8)]
            .map(|(channel, number)| sequence.take(channel, number))
            .to_vec();
        assert_eq!(taken, [true, true, true, true, true, false, true]);
    }
}
