//! The group coordinator: scripts of requests and answers, and whole lives of groups drawn from a seed.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod choices;
#[cfg(test)]
mod consumer_lives;
#[cfg(test)]
mod lengths;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod mapping;
#[cfg(test)]
mod mixed_lives;
#[cfg(test)]
mod print;
#[cfg(test)]
mod script;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod transitions;
