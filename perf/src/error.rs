//! Why a measurement could not be taken: what goes wrong between a client and a broker.

pub(crate) use millrace_client::ClientError;
