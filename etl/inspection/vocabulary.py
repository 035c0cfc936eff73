"""The words by which tables, columns and values are recognised, English and Chinese. Data only: add a word, and it is known.

Plurals and -ed, -ing forms are found by themselves (`words.py`). A word belongs to one concept.
"""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    # things
    "song": "song music track recording tune 歌曲 曲目 单曲 歌 音轨",
    "album": "album lp record_album 专辑 唱片",
    "artist": "artist singer performer musician band vocalist 歌手 艺人 艺术家 演唱者 音乐人",
    "user": "user listener customer member subscriber account client buyer usr cust 用户 听众 会员 顾客 客户 买家",
    "playlist": "playlist songlist songsheet mixtape 歌单 播放列表",
    "drama": "drama tvseries film movie 电视剧 影视剧 剧集 剧 影视 电影",
    "show": "varietyshow variety 综艺 综艺节目",
    "mv": "mv musicvideo video 音乐视频",
    "mlog": "mlog",
    "soundtrack": "soundtrack ost 原声 原声带",
    "product": "product sku goods article merchandise 商品 产品 货品",
    "genre": "genre style 流派 风格 曲风",
    "category": "category 分类 类别 品类",
    "tag": "tag 标签",
    "emotion": "emotion mood 情绪 心情 情感",
    "theme": "theme topic 主题",
    "season": "season 季",
    # acts; those of BEHAVIOURS below are also values
    "play": "play listen stream playback scrobble heard spin 播放 收听 试听 听歌",
    "collect": "collect like favorite favourite fav love heart star save bookmark 收藏 喜欢 红心 点赞 爱心",
    "skip": "skip 跳过 切歌",
    "click": "click tap view 点击 浏览",
    "exposure": "exposure expose impression 曝光 展示",
    "download": "download 下载",
    "share": "share forward 分享 转发",
    "comment": "comment review remark 评论 乐评 点评",
    "dislike": "dislike hate notinterested 不喜欢 不感兴趣 踩",
    "block": "block ban blacklist hide 屏蔽 拉黑 黑名单",
    "complete": "complete finish full 完整 完播 播完",
    "purchase": "purchase buy bought sale invoice transaction 购买",
    "order": "order 订单",
    "friend": "friend friendship follow follower followee following contact buddy 好友 朋友 关注 粉丝",
    "undo": "un undo remove cancel delete revoke refund return refuse 取消 删除 移除",
    # attributes
    "id": "id key code no nr number uid uuid guid mbid pk sk 编号 编码 标识 号 代码",
    "name": "name title 名 名称 标题 歌名 姓名 名字",
    "time": "time at on ts timestamp date datetime day when 时间 日期 时刻",
    "clock": "clock timeofday 钟点",
    "happen": "happen occur start begin event log history record 记录 日志 历史 流水 发生 开始",
    "create": "create insert add submit post placed 创建 添加 提交 发表",
    "change": "update change modify end stop expire last 更新 修改 结束",
    "release": "release publish issue 发行 发布 上映 上架",
    "birth": "birth born birthday dob 出生 生日",
    "signup": "signup register reg join 注册",
    "duration": "duration length len runtime elapsed dwell 时长 长度",
    "ms": "ms msec millis millisecond 毫秒",
    "seconds": "s sec secs second 秒",
    "minutes": "min mins minute 分钟",
    "language": "language lang 语言 语种",
    "popularity": "popularity hot heat hotness 热度 流行度",
    "role": "role credit function 角色 身份 职务",
    "position": "position pos ordinal sort seq sequence rank index 序号 位置 顺序 排序",
    "owner": "owner creator author by 创建者 作者 所有者 创建人",
    "text": "text body content message 内容 正文 文本",
    "act": "behaviour behavior action activity act interaction operation op 行为 动作 操作",
    "type": "type kind 类型 种类",
    "scene": "scene context 场景",
    "channel": "source channel surface page origin placement entrance 来源 入口 渠道",
    "organic": "organic",
    "recommended": "recommended autoplay",
    "count": "count times quantity qty 次数 数量",
    "weight": "weight strength relevance confidence 权重",
    "year": "year yr 年份 年",
    "item": "item object target entity 对象 目标",
    "line": "line entry detail 明细",
    "vector": "vector embedding",
    "spare": "backup bak old tmp temp archive archived copy test staging 备份 临时 归档",
    "": "unix epoch utc dim fact tbl tb t vw v table data info the of in to is has was main master list all f d 表 信息 数据 的",
}
"""Concept → its words; words of "" say nothing."""

BEHAVIOURS: Final = {
    "play": "play",
    "collect": "collect",
    "skip": "skip",
    "click": "click",
    "exposure": "exposure",
    "download": "download",
    "share": "share",
    "comment": "comment",
    "dislike": "dislike",
    "purchase": "collect",
    "complete": "full_play",
    "play complete": "full_play",
    "complete play": "full_play",
    "block": "block_song",
    "block song": "block_song",
    "song block": "block_song",
    "block artist": "block_artist",
    "artist block": "block_artist",
}
"""What a value or a table says was done, in concepts → behaviour of the contract."""

PHRASES: Final = {
    "not interested": "dislike",
    "thumbs up": "collect",
    "thumbs down": "dislike",
    "thumb up": "collect",
    "thumb down": "dislike",
    "show": "exposure",
}
"""Behaviours that only whole values say."""

SCENES: Final = {
    "搜索": "search", "每日推荐": "daily", "日推": "daily", "私人fm": "fm", "歌单": "playlist", "专辑": "album", "radio": "fm",
}  # fmt: skip
"""Scene of the source → the name that this project's scenarios use."""

TAG_KINDS: Final = {"genre": "style", "category": "style", "emotion": "emotion", "scene": "scene", "theme": "theme", "tag": "theme"}
"""What a table, column or value of tags is about → `song_tags.kind`."""

STYLES: Final = (
    "rock pop jazz blues folk metal punk soul funk disco techno house ambient classical country reggae rap hiphop indie rnb opera edm "
    "vinyl lp cd mp3 ballad latin gospel electronic grunge swing 流行 摇滚 民谣 爵士 古典 说唱 电子 嘻哈 蓝调 古风 轻音乐"
)
"""Words that sell music: two different ones among the values of a short list make a shop one of music."""

PRIVATE: Final = (
    "email mail phone mobile tel fax password passwd pwd hash salt token secret address street zip postcode postal ip ssn passport card "
    "iban credential firstname lastname surname nickname fullname username login nick avatar 手机 邮箱 电话 密码 地址 身份证 昵称 微信"
)
"""Words of columns whose values are nobody's business: never a feature, never shown."""

COLUMNS: Final = {
    ("songs", "title"): "name",
    ("songs", "language"): "language",
    ("songs", "release_date"): "release time, release, release year, year, release time id",
    ("songs", "duration_ms"): "duration, seconds, ms",
    ("songs", "popularity"): "popularity",
    ("albums", "title"): "name",
    ("albums", "release_date"): "release time, release, release year, year, release time id",
    ("artists", "name"): "name, complete name",
    ("dramas", "title"): "name",
    ("dramas", "year"): "year, release year, release time, release",
    ("variety_shows", "title"): "name",
    ("mvs", "title"): "name",
    ("mvs", "published_at"): "release time, release, create time",
    ("mlogs", "title"): "name",
    ("mlogs", "published_at"): "release time, release, create time",
    ("playlists", "title"): "name",
    ("playlists", "owner"): "owner, owner id, user id, user, create owner",
    ("song_artists", "role"): "role, type",
    ("song_tags", "kind"): "type, tag type",
    ("song_tags", "tag"): "tag, genre, emotion, theme, scene, name, tag name, genre name, category",
    ("song_tags", "weight"): "weight",
    ("show_appearances", "season"): "season, season id",
    ("playlist_songs", "position"): "position, order, song position, item position, line position, song id, item id, line id, line",
    ("events", "ts"): (
        "time, play time, happen time, act time, play happen time, purchase time, order time, collect time, comment time, block time, "
        "skip time, happen, create time, create, purchase create time, order create time, time id, play time id, happen time id"
    ),
    ("events", "scene"): "scene, scene type, scene name, play scene, channel, play channel, channel type",
    ("events", "is_organic"): "organic",
    ("events", "count"): "count, play count, happen count",
    ("comments", "text"): "text, comment text, comment, happen text",
    ("comments", "ts"): "time, comment time, create time, happen time, create",
}
"""Contract column → concept sets that name it, best first. A table's own thing is left out: `track_name` of `tracks` is "name"."""
