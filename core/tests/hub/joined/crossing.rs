//! What crosses from hub to hub, and what the publisher is told of it.

use super::*;

#[test]
fn an_event_reaches_the_other_hub_once_and_its_own_once() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let (mut mine, mut theirs) = (here.subscribe("t").unwrap(), there.subscribe("t").unwrap());
    let delivery = here.publish("t", "1").unwrap();
    assert_eq!(delivery.forwarding, Forwarding::Queued);
    assert_eq!(delivery.subscriptions, 1, "those of this hub");
    for sub in [&mut mine, &mut theirs] {
        assert_eq!(&sub.try_recv().unwrap().payload()[..], b"1");
        assert_eq!(sub.try_recv().unwrap_err(), TryRecvError::Empty);
    }
}

#[test]
fn what_waited_for_room_goes_on_as_well() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let mut theirs = there.subscribe("t").unwrap();
    let sent = here.publish_wait(Publication::new("t", "1"), soon());
    assert_eq!(sent.unwrap().forwarding, Forwarding::Queued);
    assert_eq!(&theirs.try_recv().unwrap().payload()[..], b"1");
}

#[test]
fn attributes_and_keys_cross() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let mut sub = there.subscribe("t").unwrap();
    let publication = Publication::new("t", "p").key("k").attribute("n", 7);
    here.publish_event(publication).unwrap();
    let event: Event = sub.try_recv().unwrap();
    assert_eq!(event.key(), Some("k"));
    assert_eq!(event.attributes().len(), 1);
}

#[test]
fn an_event_that_waited_for_room_crosses_once_it_has_it() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, node)) = (wire.hub(), wire.hub());
    let options = SubscribeOptions::new().budget(Budget::default().events(1).unwrap());
    let mut mine = here.subscribe_with("t", options).unwrap();
    let mut theirs = there.subscribe("t").unwrap();
    let delivery = here
        .publish_wait(Publication::new("t", "1"), soon())
        .unwrap();
    assert_eq!(delivery.forwarding, Forwarding::Queued);
    let late = here.publish_wait(Publication::new("t", "2"), Instant::now());
    assert!(late.is_err());
    assert_eq!(&mine.try_recv().unwrap().payload()[..], b"1");
    here.publish_wait(Publication::new("t", "3"), soon())
        .unwrap();
    assert_eq!(&theirs.try_recv().unwrap().payload()[..], b"1");
    assert_eq!(&theirs.try_recv().unwrap().payload()[..], b"3");
    assert_eq!(theirs.try_recv().unwrap_err(), TryRecvError::Empty);
    *node.refuse.lock().unwrap() = Some(ForwardErrorKind::Full);
    let delivery = there
        .publish_wait(Publication::new("t", "4"), soon())
        .unwrap();
    assert_eq!(
        delivery.forwarding,
        Forwarding::Refused(ForwardErrorKind::Full)
    );
}

#[test]
fn a_hub_serves_its_own_although_nothing_can_be_forwarded() {
    let wire = Arc::new(Wire::default());
    let (here, node) = wire.hub();
    *node.refuse.lock().unwrap() = Some(ForwardErrorKind::Full);
    let mut sub = here.subscribe("t").unwrap();
    let receipt = here
        .publish_acknowledged(Publication::new("t", "1"))
        .unwrap();
    let delivery = receipt.delivery();
    assert_eq!(
        delivery.forwarding,
        Forwarding::Refused(ForwardErrorKind::Full)
    );
    let outcome = receipt.wait(soon()).unwrap();
    assert_eq!(outcome.unwrap_err().kind(), ForwardErrorKind::Full);
    assert_eq!(&sub.try_recv().unwrap().payload()[..], b"1");
}

#[test]
fn a_receipt_says_what_became_of_it() {
    let wire = Arc::new(Wire::default());
    let ((here, _a), (there, _b)) = (wire.hub(), wire.hub());
    let _theirs = there.subscribe("t").unwrap();
    let receipt = here
        .publish_acknowledged(Publication::new("t", "1"))
        .unwrap();
    assert_eq!(receipt.outcome().unwrap().unwrap().heard, 1);
    // Alone, there is nobody to wait for.
    let receipt = Hub::new().publish_acknowledged(Publication::new("t", "1"));
    assert!(receipt.unwrap().outcome().unwrap().is_ok());
}
