//! The journal end to end: frames sealed, written, cleaned and recovered in memory,
//! with crashes and damage anywhere.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod model;
#[cfg(test)]
mod oldest;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod twin;
