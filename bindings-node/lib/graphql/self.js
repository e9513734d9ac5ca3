'use strict';

// How an object finds itself behind what stands before it.
//
// A PubSub and its iterators keep their state in private fields. Applications put Proxies before them, and objects
// with them as prototype: these have no such fields, but they lead to this property.

const SELF = Symbol('self');

exports.SELF = SELF;
