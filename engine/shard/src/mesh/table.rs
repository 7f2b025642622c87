//! What a table of calls makes: the enums of requests and of responses,
//! and for each call a type that ties the two.

/// One kind of request with its response; its type stands for the call.
pub(crate) trait Call {
    /// All requests of the table.
    type Requests;
    /// All responses of the table.
    type Responses;
    type Request;
    type Response;

    fn request(request: Self::Request) -> Self::Requests;
    fn response(response: Self::Response) -> Self::Responses;
    /// Takes out what [`Call::response`] put in.
    fn take(response: Self::Responses) -> Self::Response;
}

/// Makes the enums `$Requests` and `$Responses` and, for each `Name(request) -> response`, the type `Name`.
macro_rules! calls {
    (
        $(#[$about_requests:meta])* requests $Requests:ident;
        $(#[$about_responses:meta])* responses $Responses:ident;
        $($(#[$about:meta])* $Name:ident($request:ty) -> $response:ty;)*
    ) => {
        $(#[$about_requests])*
        pub(crate) enum $Requests {
            $($(#[$about])* $Name($request),)*
        }

        $(#[$about_responses])*
        pub(crate) enum $Responses {
            $($Name($response),)*
        }

        $(
            $(#[$about])*
            pub(crate) struct $Name;

            impl $crate::mesh::table::Call for $Name {
                type Requests = $Requests;
                type Responses = $Responses;
                type Request = $request;
                type Response = $response;

                fn request(request: $request) -> $Requests {
                    $Requests::$Name(request)
                }

                fn response(response: $response) -> $Responses {
                    $Responses::$Name(response)
                }

                fn take(response: $Responses) -> $response {
                    match response {
                        $Responses::$Name(response) => response,
                        _ => unreachable!("who serves a call responds to that call"),
                    }
                }
            }
        )*
    };
}

pub(crate) use calls;
