// The protobuf messages that the page exchanges, by the numbers of the OpenIM protocol (OpenIM wire, §3 and
// appendix A). Fields that the page has no use for are left out; the codec skips them.

import { map, repeated } from "./protobuf.js";

/** reqIdentifier of a frame (OpenIM wire, §3). */
export const Request = {
  PULL_RANGES: 1002,
  SEND: 1003,
  PULL_SEQS: 1005,
  NEWEST_SEQS: 1006,
  PUSH: 2001,
  KICKED: 2002,
  PRESENCE: 2005,
};

export const Order = { ASCENDING: 0, DESCENDING: 1 };

export const MsgData = {
  sendID: [1, "string"],
  recvID: [2, "string"],
  groupID: [3, "string"],
  clientMsgID: [4, "string"],
  serverMsgID: [5, "string"],
  senderPlatformID: [6, "int"],
  senderNickname: [7, "string"],
  senderFaceURL: [8, "string"],
  sessionType: [9, "int"],
  msgFrom: [10, "int"],
  contentType: [11, "int"],
  content: [12, "bytes"],
  seq: [14, "int"],
  sendTime: [15, "int"],
  createTime: [16, "int"],
  status: [17, "int"],
  isRead: [18, "bool"],
  options: [19, map("string", "bool")],
};

const PullMsgs = { Msgs: [1, repeated(MsgData)], isEnd: [2, "bool"], endSeq: [3, "int"] };
const SeqRange = { conversationID: [1, "string"], begin: [2, "int"], end: [3, "int"], num: [4, "int"] };
const ConversationSeqs = { conversationID: [2, "string"], seqs: [3, repeated("int")] };
const Seqs = { maxSeq: [1, "int"], hasReadSeq: [2, "int"], maxSeqTime: [3, "int"] };

/** Answers to 1002 and 1005, and the push 2001, have the same shape. */
export const PulledMessages = { msgs: [1, map("string", PullMsgs)], notificationMsgs: [2, map("string", PullMsgs)] };

export const PullMessageBySeqsReq = {
  userID: [1, "string"],
  seqRanges: [2, repeated(SeqRange)],
  order: [3, "int"],
};

export const GetSeqMessageReq = {
  userID: [1, "string"],
  conversations: [2, repeated(ConversationSeqs)],
  order: [3, "int"],
};

export const SendMsgResp = { serverMsgID: [1, "string"], clientMsgID: [2, "string"], sendTime: [3, "int"] };

export const PresenceReq = { subscribeUserID: [1, repeated("string")], unsubscribeUserID: [2, repeated("string")] };
const PresenceOfUser = { userID: [1, "string"], onlinePlatformIDs: [2, repeated("int")] };

/** The answer to 2005 and its push. */
export const PresenceTips = { subscribers: [1, repeated(PresenceOfUser)] };

export const NewestSeqsReq = { userID: [1, "string"], conversationIDs: [2, repeated("string")] };
export const NewestSeqsResp = { seqs: [1, map("string", Seqs)] };
