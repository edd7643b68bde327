//! Reading ahead: many questions at once, the answers in their order.
//!
//! A look at what is as it should be is nothing but reads, dozens of them. One after the other they would take a tenth of a second.
//! What is listed to find leftovers is not read once more, where lists of whole objects are small.
//!
//! They are asked of the API server every time. The watches would know some of it, but metadata only, and as it was a while ago, which may
//! be long where a connection hangs: that is good enough to be woken by, not to decide by what is written and what is deleted.

use std::pin::pin;

use futures::stream::{self, StreamExt as _};
use kube::Error;

use crate::disposition::is_out_of_reach;

/// So many are under way at once. Each may take a connection of its own, and the API server has others to serve.
const AT_ONCE: usize = 8;

/// Asks all, some at once. The answers are in the order of the questions; after one that shows the API server to be
/// out of reach there are none. Safe to cancel.
pub(crate) async fn ask_all<T>(
    questions: Vec<impl Future<Output = Result<T, Error>>>,
) -> Vec<Result<T, Error>> {
    let mut answers = Vec::with_capacity(questions.len());
    let mut coming = pin!(stream::iter(questions).buffered(AT_ONCE));
    while let Some(answer) = coming.next().await {
        let is_last = answer.as_ref().is_err_and(is_out_of_reach);
        answers.push(answer);
        if is_last {
            break;
        }
    }
    answers
}
