//! A whole, validated stream. Nothing in it is executed before all of it has been checked.

use crate::frame::{DONE, DecodeError, Message};
use crate::init::Init;
use crate::step::Step;
use crate::{MAX_STREAM, VERSION};

/// A stream whose every message is well-formed.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// The bootstrap message.
    pub init: Init<'a>,
    steps: &'a [u8],
}

/// Which part of the stream a step stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Host,
    Setup,
    Start,
    End,
}

impl<'a> Stream<'a> {
    /// Checks all of `bytes`: framing, every message, the protocol's number, and the order of the parts.
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_STREAM {
            return Err(DecodeError::TooLong);
        }
        let (first, rest) = Message::split(bytes)?;
        let init = Init::read(&first)?;
        let (second, steps) = Message::split(rest)?;
        match Step::read(&second)? {
            Step::Version { version: VERSION } => {}
            Step::Version { .. } => return Err(DecodeError::Version),
            _ => return Err(DecodeError::Order),
        }
        check_steps(steps)?;
        Ok(Self { init, steps })
    }

    /// The steps in order, with their numbers.
    pub fn steps(&self) -> Steps<'a> {
        Steps { rest: self.steps }
    }
}

/// The steps of a validated stream.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Steps<'a> {
    /// The step's number (`nlmsg_seq`) and the step.
    type Item = (u32, Step<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (message, rest) = Message::split(self.rest).ok()?;
        self.rest = rest;
        Some((message.seq, Step::read(&message).ok()?))
    }
}

/// Checks that the steps can be executed in their order and that the stream ends with NLMSG_DONE and nothing after.
fn check_steps(mut rest: &[u8]) -> Result<(), DecodeError> {
    let mut part = Part::Host;
    loop {
        let (message, after) = Message::split(rest)?;
        rest = after;
        if message.kind == DONE {
            return match (part, after) {
                (Part::End, []) if message.payload.is_empty() => Ok(()),
                (Part::End, []) => Err(DecodeError::BadLength),
                (Part::End, _) => Err(DecodeError::Trailing),
                _ => Err(DecodeError::Order),
            };
        }
        part = next_part(part, &Step::read(&message)?)?;
    }
}

/// The part that follows a step, or an error where the step may not stand in this one.
fn next_part(part: Part, step: &Step<'_>) -> Result<Part, DecodeError> {
    let (belongs, next) = match step {
        Step::Version { .. } => return Err(DecodeError::Order),
        Step::Fds { .. } | Step::Join { .. } | Step::Cgroup { .. } | Step::RaiseLimit { .. } => {
            (Part::Host, Part::Host)
        }
        Step::Clone {} | Step::Born {} => (Part::Host, Part::Setup),
        Step::Ready { .. } => (Part::Setup, Part::Start),
        Step::Exec { .. } => (Part::Start, Part::End),
        _ => match part {
            Part::Setup | Part::Start => (part, part),
            Part::Host | Part::End => return Err(DecodeError::Order),
        },
    };
    if belongs == part { Ok(next) } else { Err(DecodeError::Order) }
}
