//! Both ends of a call's response.

use std::pin::Pin;
use std::task::{Context, Poll};

use millrace_rt::{Reply, Respond};

use crate::mesh::table::Call;

/// Where the response to one call goes.
pub(crate) struct Responder<C: Call> {
    respond: Respond<C::Responses>,
}

impl<C: Call> Responder<C> {
    pub(crate) fn new(respond: Respond<C::Responses>) -> Responder<C> {
        Responder { respond }
    }

    pub(crate) fn send(self, response: C::Response) {
        self.respond.send(C::response(response));
    }
}

/// Resolves to the response to one call. Dropping it leaves the request where it is.
pub(crate) struct ResponseFuture<C: Call> {
    reply: Reply<C::Responses>,
}

impl<C: Call> ResponseFuture<C> {
    pub(crate) fn new(reply: Reply<C::Responses>) -> ResponseFuture<C> {
        ResponseFuture { reply }
    }
}

impl<C: Call> Future for ResponseFuture<C> {
    type Output = C::Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Response> {
        Pin::new(&mut self.get_mut().reply).poll(context).map(C::take)
    }
}
