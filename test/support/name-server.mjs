// Answers every question for the address of ARGV[3] with ARGV[4], and says that other names do not exist. UDP port 53 of ARGV[2].
import { createSocket } from 'node:dgram';

const [, , own, known, address] = process.argv;
const FLAGS = { answer: 0x8180, unknown: 0x8183 };
const TYPE_A = 1;

const socket = createSocket('udp4');
socket.on('message', (query, from) => {
  const labels = [];
  let at = 12;
  while (query[at] !== 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
    at += 1 + query[at];
  }
  const question = query.subarray(12, at + 5);
  const isKnown = labels.join('.') === known;
  const hasAnswer = isKnown && query.readUInt16BE(at + 1) === TYPE_A;
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(isKnown ? FLAGS.answer : FLAGS.unknown, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(hasAnswer ? 1 : 0, 6);
  // A pointer to the name in the question, type A, class IN, a time to live, four bytes (RFC 1035, section 4.1.3).
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
  socket.send(Buffer.concat([head, question, ...(hasAnswer ? [record] : [])]), from.port, from.address);
});
socket.bind(53, own);
