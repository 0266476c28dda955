// The page's words, in English and Chinese.
const WORDS = {
  en: {
    tagline: "who is here, who speaks next", stage: "On stage", queue: "Mic queue", people: "People in this page", log: "Frames",
    keys: "Drag by the handle, use the arrows, or focus a handle and press ↑ ↓ Home End.", clear: "Clear", undo: "Undo clear",
    filter: "Filter", pause: "Pause", copy: "Copy", language: "中文", seat: "Seat", host: "Host seat", empty: "free", locked: "locked",
    held: "away, place kept", deck: "next", leaveSeat: "Leave", kick: "Take off", lock: "Lock", unlock: "Unlock", take: "Take",
    join: "Join the queue", leave: "Leave the queue", drop: "Drop my connection", status: "Status", online: "online", busy: "busy", away: "away",
    offline: "offline", connecting: "connecting", connected: "connected", disconnected: "disconnected", failed: "failed", up: "Move up",
    down: "Move down", grip: "Move", remove: "Remove", nobody: "Nobody is waiting.", moved: (who, n) => `${who} is now number ${n}`,
    refused: "Refused", people_n: (n) => `${n} here`, admin: "admin", owner: "owner", place: (n) => `in ${n} s again`,
  },
  zh: {
    tagline: "谁在线，下一个谁发言", stage: "麦位", queue: "麦序", people: "本页的人", log: "消息",
    keys: "拖动手柄，点箭头，或选中手柄后按 ↑ ↓ Home End。", clear: "清空", undo: "撤销清空",
    filter: "筛选", pause: "暂停", copy: "复制", language: "English", seat: "麦位", host: "主持位", empty: "空闲", locked: "已锁",
    held: "暂离，保留位置", deck: "下一位", leaveSeat: "下麦", kick: "抱下麦", lock: "锁麦", unlock: "解锁", take: "上麦",
    join: "排麦", leave: "退出排麦", drop: "断开我的连接", status: "状态", online: "在线", busy: "忙碌", away: "离开",
    offline: "离线", connecting: "连接中", connected: "已连接", disconnected: "已断开", failed: "失败", up: "上移",
    down: "下移", grip: "移动", remove: "移除", nobody: "没有人在排麦。", moved: (who, n) => `${who} 现在第 ${n} 位`,
    refused: "被拒绝", people_n: (n) => `${n} 人在房间`, admin: "管理员", owner: "房主", place: (n) => `${n} 秒后重连`,
  },
};

let language = localStorage.getItem("michub.language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export const t = (key, ...values) => {
  const word = WORDS[language][key] ?? key;
  return typeof word === "function" ? word(...values) : word;
};

export function translatePage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
}

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem("michub.language", language);
  translatePage();
}
