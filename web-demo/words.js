// The page's words: English, Chinese.
import { memory } from "./dom.js";

const WORDS = {
  tagline: ["who is here, who is free, who speaks next", "谁在线，谁空闲，下一个谁发言"],
  stage: ["On stage", "麦位"], queue: ["Mic queue", "麦序"], people: ["People in this window", "本窗口的成员"], log: ["Frames on the wire", "收发记录"],
  latency: ["Round trips", "往返延迟"], viewOf: [(who) => `As ${who} sees it`, (who) => `${who} 看到的`], viewAs: ["See it as", "切换视角"], noLine: ["no line, last seen at rev", "已断线，停在 rev"], waitsForLine: ["What is asked for now waits for the line.", "此时的操作会在重连后执行。"],
  inSync: ["both at rev", "两边一致，rev"], behind: ["catching up", "同步中"], admin: ["admin", "管理员"], owner: ["owner", "房主"], host: ["host", "主持"], vip: ["VIP", "VIP"], guest: ["guest", "游客"], member: ["member", "成员"],
  hostSeat: ["Host seat", "主持位"], seat: [(n) => `Seat ${n}`, (n) => `${n} 号麦`], free: ["free", "空闲"], locked: ["locked", "已锁"], closing: ["closing", "将关闭"], reserved: ["kept for", "预留给"],
  mode: ["Mode", "模式"], mode_free: ["Free", "自由"], mode_apply: ["Apply", "申请"], mode_queue: ["Queue", "麦序"], mode_chair: ["Chair", "主席"],
  modeHint_free: ["Anybody takes a free seat.", "有空位即可自由上麦。"], modeHint_apply: ["People ask, an admin decides.", "上麦需申请，由管理员审批。"],
  modeHint_queue: ["The head of the queue comes up; turns are timed.", "按麦序自动上麦，限时发言。"], modeHint_chair: ["Only the chair gives seats; turns stand still.", "由主席安排上麦，计时暂停。"],
  queue_open: ["Queue open", "开放排麦"], floor_controlled: ["Floor control", "控麦"], mute_all: ["Mute all", "全员禁麦"], rules: ["Rules", "规则"],
  keys: ["Drag by the handle. By keys: space lifts, arrows, Home and End move, space drops, Escape cancels.", "拖动手柄；键盘：空格拿起，方向键、Home、End 移动，再按空格放下，Esc 取消。"],
  nobody: ["Nobody is waiting.", "没有人在排麦。"], next: ["next up", "下一位"], away: ["away", "暂离"], heldFor: [(s) => `away, place kept ${s}`, (s) => `暂离，保留 ${s}`], pinned: ["placed by hand", "手动排位"],
  waits: [(s) => `waits ${s}`, (s) => `已等 ${s}`], clear: ["Clear", "清空"], undo: [(n) => `Undo clear (${n})`, (n) => `撤销清空 (${n})`], resort: ["Sort by rules", "按规则重排"],
  up: ["Move up", "上移"], down: ["Move down", "下移"], grip: [(who, n) => `Move ${who}, now ${n}`, (who, n) => `移动 ${who}，现为第 ${n} 位`], more: [(who) => `More about ${who}`, (who) => `${who} 的更多操作`],
  moveTo: ["Move to", "移到"], first: ["the front", "最前"], last: ["the end", "最后"], place: [(n, who) => `${n} · where ${who} is`, (n, who) => `${n} · ${who} 的位置`], moved: [(who, n) => `${who} is now number ${n}`, (who, n) => `${who} 现在第 ${n} 位`],
  lifted: [(who, n) => `${who} lifted, number ${n}`, (who, n) => `已拿起 ${who}，第 ${n} 位`], hovering: [(n) => `number ${n}`, (n) => `第 ${n} 位`], cancelled: ["cancelled", "已取消"],
  whyHere: ["Why here?", "为什么在这里？"], whyOrder: [(n) => `joined as number ${n} of this room`, (n) => `本房间第 ${n} 个进入麦序`], whyPriority: [(n) => `priority ${n}`, (n) => `优先级 ${n}`], whyBy: [(who) => `placed by ${who}`, (who) => `由 ${who} 排位`],
  whyFifo: ["no priority: first come, first served", "无优先级：先到先得"], whyJumped: [(n) => `overtaken ${n}×`, (n) => `被插队 ${n} 次`], whyPin: ["rules do not overtake this place", "此位置不会被规则插队"],
  takeOff: ["Take off the seat", "抱下麦"], toFront: ["Off, to the front of the queue", "抱下麦，排到首位"], muteThem: ["Mute", "禁麦"], unmute: ["Unmute", "解除禁麦"], lock: ["Lock", "锁麦"], unlock: ["Unlock", "解锁"], invite: ["Invite", "邀请"], inviteTo: [(who) => `Invite ${who}`, (who) => `邀请 ${who} 上麦`],
  assign: [(who) => `Put ${who} here`, (who) => `抱 ${who} 上麦`], take: ["Take this seat", "上这个麦"], leaveSeat: ["Leave the seat", "下麦"], moveSeat: [(n) => `Move to seat ${n}`, (n) => `换到 ${n} 号麦`],
  pause: ["Pause the turn", "暂停计时"], resume: ["Let the turn go on", "继续计时"], extend: ["30 s more", "延长 30 秒"], nextTurn: ["Next speaker", "下一位发言"], paused: ["paused", "已暂停"], endless: ["no limit", "不限时"], yield_: ["I am done", "我说完了"],
  remove: ["Remove from the queue", "移出麦序"], kick: ["Kick out of the room", "踢出房间"], role: ["Role", "角色"], noRole: ["no role", "无角色"], role_give: [(role) => `Make ${role}`, (role) => `设为 ${role}`],
  requests: ["Requests", "申请"], noRequests: ["No requests. In mode Apply people ask here.", "暂无申请。申请模式下，上麦申请会显示在这里。"], wantsUp: [(who) => `${who} asks to speak`, (who) => `${who} 申请上麦`], approve: ["Approve", "同意"], reject: ["Reject", "拒绝"],
  invited: [(who, n) => `${who} is invited to seat ${n}`, (who, n) => `已邀请 ${who} 上 ${n} 号麦`], invitesYou: [(who, n) => `${who} invites you to seat ${n}`, (who, n) => `${who} 邀请你上 ${n} 号麦`], accept: ["Accept", "接受"], decline: ["Decline", "谢绝"], cancel: ["Cancel", "取消"],
  join: ["Join the queue", "加入排麦"], leave: ["Leave the queue", "取消排麦"], apply: ["Ask to speak", "申请上麦"], unapply: ["Take the request back", "撤回申请"], takeSeat: ["Take a seat", "上麦"], back: ["Come back in", "重新进房"],
  youSeat: [(n) => `On seat ${n}`, (n) => `在 ${n} 号麦上`], youQueue: [(n) => `Number ${n} in the queue`, (n) => `排在第 ${n} 位`], youListen: ["Listening", "旁听中"], youOut: ["Not in the room", "不在房间"], left: [(s) => `${s} left`, (s) => `剩 ${s}`], muted: ["muted", "已静音"], onAir: ["on air, the media server says", "媒体服务器确认正在推流"], soundLost: [(s) => `no sound ${s}`, (s) => `断流 ${s}`],
  ownReplica: ["A replica of its own, folded from a connection of its own.", "独立副本：由 TA 自己的连接还原。"],
  whatIf: ["What if he joined the queue?", "现在排麦会排到第几位？"], wouldBe: [(n) => `would be number ${n}`, (n) => `会排在第 ${n} 位`],
  waitsForRoom: ["no room yet", "尚未进房"], muteMe: ["Mute me", "静音自己"], unmuteMe: ["Unmute me", "取消静音"],
  status: ["Status", "状态"], online: ["online", "在线"], busy: ["busy", "忙碌"], offline: ["offline", "离线"], status_away: ["away", "离开"],
  connecting: ["connecting", "连接中"], connected: ["connected", "已连接"], disconnected: ["disconnected", "已断开"], failed: ["gave up", "已放弃"], retryIn: [(s, n) => `again in ${s} s (${n})`, (s, n) => `${s} 秒后重试 (${n})`], ws: ["WebSocket", "WebSocket"], poll: ["polling", "轮询"], sse: ["event stream", "事件流"], f_over: [(way) => `Go on over ${way}`, (way) => `改用 ${way}`],
  faults: ["Break something", "制造故障"], f_drop: ["Drop the line", "断线"], f_half: ["Half-open line", "半开连接"], f_slow: ["+500 ms", "延迟 500 毫秒"], f_fast: ["Normal speed again", "恢复速度"], f_token: ["Expire the token", "令牌过期"], f_kick: ["Kick", "踢出"], f_offline: ["Go offline", "下线"], f_connect: ["Connect", "连接"],
  f_drain: ["Drain the hub", "平滑下线"], drained: ["The hub says goodbye to everybody; they come back by themselves.", "已通知所有人稍后重连，大家会自动回来。"], slow: ["slow line", "慢速"],
  filter: ["Filter", "筛选"], everybody: ["everybody", "所有人"], beats: ["heartbeats", "心跳"], pauseLog: ["Pause", "暂停"], goOn: ["Go on", "继续"], copy: ["Copy", "复制"], copied: ["copied", "已复制"],
  who: ["Person", "成员"], samples: ["samples", "样本"], lastMinute: ["last 60 seconds, ms", "最近 60 秒，毫秒"],
  room: ["room", "房间"], here: [(n) => `${n} here`, (n) => `${n} 人在房间`], node: ["node", "节点"], store: ["store", "存储"], hub: ["hub", "服务"], client: ["client", "客户端"], ready: ["ready", "就绪"], stale: ["unknown", "未知"], unavailable: ["unavailable", "不可用"], store_ready: ["Commands are taken", "可写"], store_stale: ["The hub cannot be asked now", "暂时无法查询服务"], store_unavailable: ["Commands are refused until the store is back", "存储恢复前命令会被拒绝"],
  language: ["中文", "EN"], docs: ["Protocol", "协议"], theme: ["Theme", "主题"], theme_auto: ["auto", "自动"], theme_light: ["light", "浅色"], theme_dark: ["dark", "深色"], tour: ["Tour", "导览"], second: ["Second admin", "第二个管理员"],
  rulesTitle: ["Rules of this room", "本房间规则"], rulesHint: ["The whole document is checked; nothing changes unless all of it is right.", "整份校验；有一处不对则全部不生效。"], save: ["Save", "保存"], close: ["Close", "关闭"], saved: ["saved as rules rev", "已保存，规则版本"], notJson: ["Not JSON", "不是 JSON"],
  max_mic_count: ["Guest seats", "嘉宾麦位"], timeout_seconds: ["Turn, s", "发言时长（秒）"], max_queue_len: ["Queue length", "麦序上限"], on_deck_size: ["On deck", "候场人数"], max_jumped_by: ["Overtaken at most", "最多被插队"], hold_seconds_queue: ["Place kept, s", "保留时长（秒）"],
  talk: ["Chat", "聊天"], slowMode: ["Slow mode", "发言间隔"], off: ["off", "不限"], everySeconds: [(s) => `${s} s`, (s) => `${s} 秒`], notice: ["Notice", "公告"], noticeHint: ["A message of the backend", "由后台发送的系统消息"], noticeText: ["Welcome! Be kind, and keep to your turn.", "欢迎！请友善发言，遵守麦序。"],
  sayAs: [(who) => `Say something as ${who}`, (who) => `以 ${who} 的身份发言`], send: ["Send", "发送"], keptHint: ["Kept: whoever was away gets it later", "必达：掉线的人回来也能收到"], flower: ["Throw a flower", "送一朵花"], flowers: [(n) => `${n} ${n === 1 ? "flower" : "flowers"}`, (n) => `${n} 朵花`], nobodySpoke: ["Nobody has said anything yet.", "还没有人发言。"], skipped: ["older messages are left out", "更早的消息已略过"],
  slowFor: [(s) => `Slow mode: again in ${s} s`, (s) => `发言间隔：${s} 秒后可再发`], quietFor: [(s) => `Muted in the chat for ${s} s`, (s) => `已被禁言 ${s} 秒`], quietForEver: ["Muted in the chat", "已被禁言"], quietMinute: ["Mute in the chat for a minute", "禁言一分钟"], quietAlways: ["Mute in the chat", "禁言"], speakAgain: ["Let speak again", "解除禁言"],
  refused: ["Refused", "操作被拒绝"], taken: ["taken back", "已撤回"], done: ["Done", "完成"], skip: ["Skip", "跳过"], step: [(n, of) => `${n} of ${of}`, (n, of) => `${n} / ${of}`], nextStep: ["Next", "下一步"],
  tour1: ["A room, already alive", "一个已经热闹的房间"], tour1b: ["Six people, six real connections. Seats, roles and turns are one log with one order; the rings are the time that is left.", "六个人，六条真实连接。麦位、角色和发言记在同一份有序日志里；圆环表示剩余时间。"],
  tour2: ["Reorder live", "实时调整麦序"], tour2b: ["Drag somebody, or use the keys, the arrows, the menu. It shows at once and is taken back if the hub refuses.", "拖动、键盘、箭头或菜单都可以。立即显示；若被拒绝则自动撤回。"],
  tour3: ["The same, seen by somebody else", "另一个人看到的"], tour3b: ["Another person's own replica. Same rev, same order. Pick another person above, and act as him.", "这是另一个人的独立副本：同样的 rev、同样的顺序。可以切换人物并替他操作。"],
  tour4: ["Now break it", "现在来破坏它"], tour4b: ["Drop lines, make them half-open or slow. Places are kept, nobody flaps, everybody comes back by himself.", "断线、半开、限速都可以试。位置保留，状态不抖动，自动恢复。"],
  noToken: ["This hub wants tokens; the demo page needs `auth.mode = \"dev\"`.", "此服务需要令牌；演示页需要 auth.mode = \"dev\"。"],
};

let language = memory.get("michub.language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

/** The page's word for `key`; unknown keys (the protocol's own words) stay as they are. */
export function t(key, ...values) {
  const word = WORDS[key]?.[language === "zh" ? 1 : 0] ?? key;
  return typeof word === "function" ? word(...values) : word;
}

/** What the hub says of an error, in the page's language. The Chinese of it stands in the words of /docs, fetched when it is first wanted. */
export async function said({ name, message }) {
  if (language !== "zh") return message;
  const words = await import("./docs/words.js").catch(() => null);
  return words?.CHINESE.error[name] ?? message;
}

export function markLanguage() { document.documentElement.lang = language === "zh" ? "zh-CN" : "en"; }

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  memory.set("michub.language", language);
  markLanguage();
}
