"""The parts of simulated comments: openings, judgements, endings; for each mood templates that join them.

Every sentence is made up for the simulator. A part list is one string, its parts separated by `|`; an empty part leaves the slot out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """Slots whose parts are joined in order."""

    style: str
    """What kind of sentence it is: plain, slang, english, contrast, negation, irony, emoji, lyric, date, question, aside."""
    share: float
    """Share of the comments of its mood."""
    slots: tuple[Parts, ...]


def _parts(text: str) -> Parts:
    return tuple(text.strip().replace("\n", "").split("|"))


def _maybe(parts: Parts, left_out: int) -> Parts:
    """The slot is empty `left_out` times as often as one of its parts is drawn."""
    return ("",) * left_out + parts


MOMENTS: Final = _parts("""
前奏一响|第一句出来|戴上耳机|凌晨两点听|下班路上听|朋友发来的|看完剧过来的|刷到视频找过来的|洗澡的时候放|跑步听到第三遍|坐末班地铁听|写作业的时候放|
开车穿过隧道听|下雨天听|随机播放到这首|室友安利的|听了现场版|睡前点开|早上醒来第一首|今天翻到这首|专辑里轮到这首|听完翻唱来找原版|加班到十点打开|
高铁上听|搬家那天一直放|图书馆里偷偷听|等外卖的时候听|回老家的大巴上听|第一次听|时隔三年再听|推荐里蹦出来的|店里正好放这首|点开评论区之前听完
""")
OPENING: Final = _maybe(tuple(f"{moment}{mark}" for moment in MOMENTS for mark in ("，", "，", "，", " ", "…")), 70)
SUBJECTS: Final = _parts(
    "这首|这歌|这副歌|这编曲|这嗓子|这前奏|这歌词|这段bridge|这旋律|这和声|这鼓点|这吉他|这尾奏|这转音|这现场|这版本|整张专辑|这个remix"
)
STOP: Final = _parts("|||。|。|！|！！|~|～|…")

LIKED: Final = _parts("""
真的好听|太好听了|好好听啊|旋律很抓耳|编曲太惊艳|词写到心里去了|嗓音干净得像山泉|高音稳得吓人|整个人都安静下来|眼泪一下就下来了|心情马上变好|
鸡皮疙瘩起来了|副歌一出来我就投降了|转音处理得细腻|层次越听越丰富|吉他那一段美极了|鼓点踩得人想跟着晃|和声绝了|温柔得要命|很有画面感|
听得人想谈恋爱|感觉被治愈了|像被人轻轻抱了一下|情绪给得刚刚好|每一句都唱进心里|制作水准很高|值得戴好耳机细品|唱功了得|气息真稳|很有灵气|
仿佛回到了十七岁的夏天|舒服得像晒过太阳的被子|节奏很带感|越听越喜欢|开口就被打动|曲风很清新|唱出了我的心事|是今年最惊喜的一首|真诚又动人
""")
THANKS: Final = _parts("""
，收藏了|，已经加进歌单|，单曲循环一下午|，推荐给大家|，希望更多人听到|，会一直听下去|，谢谢写歌的人|，爱了爱了|，红心送上|，期待新专辑|
，想听现场|，循环到深夜|，设成铃声了|，安利给全宿舍|，值得更多人喜欢|，我先听为敬|，给制作人加鸡腿|，支持|，五星|，太喜欢了|，明天继续听
""")
PRAISE_SLANG: Final = _parts("""
yyds|YYDS|封神了|杀疯了|太顶了|绝绝子|听得我上头了|给我听傻了|我直接跪了|让我DNA动了|后劲太大|是什么神仙存在|美到犯规|戳中我了|可以吹一年|炸裂|有点东西|
好听到跺脚|太会了|香疯了|把我拿捏了|我先磕为敬|直接封年度|听得我头皮发麻|甜度超标|燃起来了|丝滑得离谱|是宝藏|稳得一批|太戳我了
""")
LIKED_ENGLISH: Final = _parts("""
这个beat太nice了|vocal好稳，respect|love this song|so good|chill到飞起|drop真的crazy|feel对了|vibe满分|R&B味道很正|live比录音室版还棒|
melody一级棒|such a beautiful song|best song of the year|goosebumps|hook写得太catchy|on repeat all day|my favorite from this album|
flow丝滑，wow|production is amazing|soul味十足，爱了|这bridge绝了，amazing
""")
FAULTS_GRANTED: Final = _parts(
    "虽然录音有点糙|虽然歌词一般|虽然前奏平平|第一遍觉得普通|虽然制作简陋|开头有点闷|封面是真丑|名字起得随便|一开始嫌吵|虽然有点老套|刚开始觉得唱腔怪|虽然短得可惜"
)
TURN: Final = _parts("，但是|，可是|，但|，结果")
BUT_GOOD: Final = _parts("""
副歌太抓人了|嗓音一出来就值了|越听越上头|情绪特别真诚|旋律美得要命|听完整个人都被打动|真的耐听|听到第三遍彻底爱上|后半段直接封神|现场听完全服气|
还是循环了一整天|每个细节都用心
""")
HARDLY: Final = _parts("一点都不|一点也不|完全不|并不|真不|丝毫不|半点不")
FAULTS: Final = _parts("难听|无聊|吵|俗气|单调|刻意|油腻|拖沓|腻|做作|老套|平淡|尴尬|敷衍")
SUPPOSED: Final = _parts("没有想象中|没有他们说的|没有评论里说的|没有预想的|并没有想象中|远没有传说中")
SO: Final = _parts("|那么|那样")
RATHER: Final = _parts("|，反而很耐听|，越听越顺耳|，还挺抓耳|，我倒是喜欢|，差点错过|，真香|，值得再听几遍")
GOOD_BY_NEGATION: Final = _parts("""
没有一句不动人|没有哪段不好听|没有理由不收藏|不得不说唱功了得|不能不服这编曲|不得不单曲循环|谁能不爱这个前奏|怎么听都不腻|听一百遍也不腻|挑不出毛病，不是吹|
找不到缺点|没有一个音是多余的|根本舍不得切歌|停不下来|忘不掉这段旋律|还没听够|没想到这么好听|从没听过这么温柔的嗓音|不输原唱|没让人失望|
再也找不到第二首这样的歌|不是不好听，是好听到说不出话|不是不想睡，是停不下来循环|没有人可以讨厌这首歌|不火没有天理|不红简直说不过去|
没白等这么久|不愧是我喜欢的人|不需要理由，就是喜欢|没有什么比这段和声更治愈
""")

DISLIKED: Final = _parts("""
有点失望|太吵了|编曲很无聊|毫无新意|难听得想切歌|听得头疼|副歌俗气|歌词尴尬|像车祸现场|修音太重|嗓音油腻|拖沓冗长|唱得有气无力|混音糊成一团|
旋律似曾相识，像抄来的|高音劈得刺耳|节奏乱七八糟|套路得要命|装腔作势|越听越烦|全程想捂耳朵|听完只剩疲惫|平淡得像白开水|又是流水线产品|耳朵受罪|
前奏拖了半天|唱腔做作|伴奏盖过人声|毁了原曲|这也能发行|敷衍得明显|听着难受|气息乱，音准飘|歌词像机翻|真难听|好难听|后期太差|一股廉价感|土得掉渣
""")
REFUSALS: Final = _parts("""
，切了|，拉黑|，浪费时间|，浪费流量|，可惜了好词|，劝退|，避雷|，差评|，建议回炉重造|，还是听原唱吧|，一星|，到此为止|，粉转路人|，白等半年|，取消收藏|
，退钱|，会员白开了|，求放过|，下一首|，心疼作词人|，尽快下架吧
""")
BLAME_SLANG: Final = _parts("""
拉胯|土到掉渣|翻车了|太劝退|就这？|真下头|割韭菜|让我踩雷了|糊成一锅粥|垮掉了|辣耳朵|魔音贯耳|口水得厉害|水得可以|一言难尽|把我整懵了|尬到抠脚|烂尾了|
塌了|像催眠|是什么鬼|听得我脑壳疼|摆烂|一股塑料味|智商税|全靠修音续命|难绷
""")
DISLIKED_ENGLISH: Final = _parts("""
this beat is so boring|autotune开太大|flop了|so bad|vocal被混音盖住|copy味太重|low得要命|drop好cheap|直接skip|remix毁原曲|out of tune|
waste of time|too noisy|flow卡得难受|rap部分cringe|overrated|worst track on the album|sounds cheap|mix做得像demo
""")
MERITS_GRANTED: Final = _parts("""
前奏挺好听|歌词写得用心|嗓子是好嗓子|原唱很惊艳|期待了半年|封面真好看|前半段很美|上一张专辑那么好|题材挺新鲜|
阵容豪华|伴奏可以
""")
BUT_SADLY: Final = _parts("，可惜|，但是|，结果|，偏偏")
BUT_BAD: Final = _parts(
    "副歌垮了|编曲毁掉一切|唱得像念稿|混音一团糟|后面越听越烦|全靠修音撑着|又长又闷|听完只觉得空|这首太敷衍|高潮部分吵得头疼|唱功拖后腿|收尾草率"
)
MERITS: Final = _parts("好听|惊艳|抓耳|走心|耐听|治愈|高级|有趣|动人|特别|舒服|真诚")
BAD_BY_NEGATION: Final = _parts("""
真的不喜欢|完全没感觉|听不下去|听不出哪里好|谈不上惊艳|没有记忆点|没什么诚意|不值得收藏|不会再点开|不推荐|不如上一张|不如原唱|比不上现场|没听完就切了|
配不上这么好的词|没有一句唱到心里|没有灵魂|没有一点感情|不明白为什么火|不懂好在哪|不太行|不耐听|不适合我|不是不好听，只是太平淡了|
不是不喜欢这个歌手，可这首真的差|不能说难听，只能说白费了这副嗓子|不是我挑剔，音准都没过关|没有旋律可言|没必要翻唱|不想听第二遍|不敢相信这是主打歌|
不好听就是不好听|没有进步|没救了|听了十遍也没喜欢上
""")
MOCK_PRAISE: Final = _parts("""
真是绝了|太好听了|太治愈了|神作|天籁之音|年度最佳|太有才了|编曲大师|真有你的|好一个天籁|感动哭了|唱得真好|好家伙，太上头了|耳朵怀孕了|
封神之作|高音惊艳|多么动人的嗓子|真走心|教科书级别的演唱|佩服佩服|大师级混音|确实是王炸
""")
MOCKERY: Final = _parts("""
，听得我直接关机|，治好了我多年的失眠|，听完立刻去挂了耳科|，邻居以为我家在装修|，建议用来赶蚊子|，我家狗听完离家出走|，当闹钟保证一秒按掉|
，感动得我马上切歌|，下次请唱给对手听|，音响都想辞职|，听十秒够回味一辈子|，谢谢，我选择静音|，楼上的电钻都比它有旋律|，手机自己把音量降了|
，听完我把耳机卖了|，急救车路过都自愧弗如|，鸡叫都比这准|，成功让我爱上了安静|，请继续，我去关窗|，考虑拿去审讯犯人|，听得我连夜卸载|，建议申遗，埋深一点|
，锯木厂听了想签约|，我妈以为水管爆了
""")
MOCK_MARKS: Final = _parts("|||。|呵呵|👏|👏👏👏|🙂|🙃|😅|，给大佬递茶|，厉害厉害")

MONTHS: Final = tuple(f"{month}月" for month in range(1, 13))
DAYS: Final = tuple(f"{day}日" for day in range(1, 29))
TIMES: Final = tuple(f"第{count}" for count in range(2, 400))
AGAIN: Final = _parts("次来听|遍|次路过|次打卡|天|次循环到这首")
CHECK_IN: Final = _parts("打卡|，打卡|来听|签到|路过|，在听|，留个脚印|，存档|，考研中|，晴|，小雨|，火车上|，夜班|，到站了")
ASKING: Final = _parts("有人知道|求问|请教一下|想问|问一下|有谁清楚")
QUESTION: Final = _parts("""
前奏是什么乐器|这是哪部剧的插曲|伴奏在哪里找|这段采样出自哪里|吉他谱在哪下载|和声是谁唱的|第二段是粤语吗|原唱是谁|这是哪年的歌|MV在哪拍的|
BPM是多少|是几个key|鼓是真打的吗|歌名怎么念|下一场演出在哪个城市|作词人是谁|这版和电视版是同一版吗|黑胶哪天发货|片头曲是哪首
""")
ASK_MARK: Final = _parts("？|？？|?|，在线等|？谢谢|吗")
LYRIC_FIRST: Final = _parts("""
风从河那边吹来|站台的灯还亮着|雨落在旧屋檐|信写到第三页|火车开往北方|月光铺满台阶|你把伞留在门口|夏天停在操场|窗外有人收衣服|钟声敲了七下|
渡口起了薄雾|影子走在我前面|黄昏把街道染黄|照片背面有一行字|雪落在邮筒上|候鸟飞过屋顶
""")
LYRIC_SECOND: Final = _parts("""
我把名字写在沙上|谁在桥头数星星|影子慢慢走回家|小船靠着岸|口袋里有一张车票|海在远处翻书|猫在墙头打盹|城市睡在雾里|树叶落进茶杯|路灯一盏一盏|
日历翻到九月|炊烟绕着山|茶凉在桌角|有人推门进来|单车靠在墙边|电话响了三声
""")
ASIDE_WHO: Final = _parts("""
邻居敲门|老板路过|地铁上外放|KTV里一开口|我家猫听见|同桌抢走一只耳机|我爸听见|司机师傅听见|广播站放这首|快递小哥上门
""")
ASIDE_WHAT: Final = _parts("""
，问我这是第几遍|，也跟着哼|，全车人看着我|，让我把歌名发过去|，盯着音箱看了半天|，问我密码多少|，说他唱过|，以为是电话铃声|，问是哪个台
""")
ASIDE_MARK: Final = _parts("|哈哈哈|哈哈|hhh|😂|😂😂|。|…")
FACTS: Final = _parts("""
收录于第三张专辑|作曲和编曲是同一个人|翻唱版有十几个|时长四分十二秒|片尾曲版本短三十秒|现场版升了一个调|词是歌手自己写的|这首是B面歌|首发在电台|
和主题曲用了同一段和弦|录音是在一间教堂|MV是一镜到底|混音换过三个人|后来改成了交响版|歌名取自一本小说|副歌只有四个和弦|原曲是民歌|数字版早一周
""")
SOURCES: Final = _parts("|，百科上写的|，采访里说的|，记一下|，冷知识|，刚查的|，补充一下")
NEUTRAL_ENGLISH: Final = _parts("""
from the movie|lyrics anyone?|day 12|2024 anyone?|who is the drummer|intro版和album版|key是G吗|BPM 92|part 2 在哪|first comment|track 7|
acoustic ver. 在B面|来自playlist|demo版时长2:58|feat.的是哪位|remaster是哪年
""")
NEUTRAL_BY_NEGATION: Final = _parts("""
还没到副歌|没人抢沙发吗|这首不是原版|不是同名电影的主题曲|歌词里没有写名字|没找到伴奏|不知道是哪一年的|这版没有鼓|没看过那部剧|不是第一次听了|不是粤语，是客家话|
没有收进精选集|这次没带吉他|不确定是不是现场收音|没注意是谁作的曲|MV没有剧情|封面不是本人|不是单曲，是专辑第七首|没听过原唱，先听这版|不清楚什么时候下架的
""")

GLAD_FACES: Final = _maybe(_parts("❤️|❤️❤️❤️|😭😭|🥹|👍|👏👏|🎧|🔥🔥|✨|🌹|😍|🥰|💯|🎶|[爱心]|[大哭]|[强]"), 40)
CROSS_FACES: Final = _maybe(_parts("👎|🙄|😒|🤮|💩|😑|😤|🥱|😴|[吐]|[裂开]|😂|🤦"), 34)
PLAIN_FACES: Final = _maybe(_parts("🎵|📍|🌧️|🚄|👀|🙋|☕|🌙|[路过]"), 30)

GLAD: Final = (
    Template("plain", 0.42, (OPENING, LIKED, _maybe(THANKS, 12), STOP, GLAD_FACES)),
    Template("slang", 0.16, (OPENING, SUBJECTS, PRAISE_SLANG, _maybe(THANKS, 30), STOP, GLAD_FACES)),
    Template("english", 0.07, (OPENING, LIKED_ENGLISH, _maybe(THANKS, 30), STOP, GLAD_FACES)),
    Template("contrast", 0.12, (FAULTS_GRANTED, TURN, BUT_GOOD, _maybe(THANKS, 20), STOP, GLAD_FACES)),
    Template("negation", 0.06, (OPENING, SUBJECTS, HARDLY, FAULTS, RATHER, STOP, GLAD_FACES)),
    Template("negation", 0.06, (OPENING, SUBJECTS, SUPPOSED, SO, FAULTS, RATHER, STOP, GLAD_FACES)),
    Template("negation", 0.08, (OPENING, GOOD_BY_NEGATION, _maybe(THANKS, 30), STOP, GLAD_FACES)),
    Template("emoji", 0.03, (_parts("❤️|👍|🔥|😍|🥰|👏|💯"), _parts("|❤️|🔥|👏|✨"), _parts("|❤️❤️|🌹|🎶|🎧"))),
)
CROSS: Final = (
    Template("plain", 0.38, (OPENING, DISLIKED, _maybe(REFUSALS, 12), STOP, CROSS_FACES)),
    Template("slang", 0.16, (OPENING, SUBJECTS, BLAME_SLANG, _maybe(REFUSALS, 30), STOP, CROSS_FACES)),
    Template("english", 0.06, (OPENING, DISLIKED_ENGLISH, _maybe(REFUSALS, 30), STOP, CROSS_FACES)),
    Template("contrast", 0.12, (MERITS_GRANTED, BUT_SADLY, BUT_BAD, _maybe(REFUSALS, 20), STOP, CROSS_FACES)),
    Template("negation", 0.06, (OPENING, SUBJECTS, HARDLY, MERITS, _maybe(REFUSALS, 30), STOP, CROSS_FACES)),
    Template("negation", 0.06, (OPENING, SUBJECTS, SUPPOSED, SO, MERITS, _maybe(REFUSALS, 30), STOP, CROSS_FACES)),
    Template("negation", 0.08, (OPENING, BAD_BY_NEGATION, _maybe(REFUSALS, 40), STOP, CROSS_FACES)),
    Template("irony", 0.06, (OPENING, MOCK_PRAISE, MOCKERY, MOCK_MARKS)),
    Template("emoji", 0.02, (_parts("👎|🤮|💩|🙄|😒"), _parts("|👎|🤮|😤"), _parts("|👎👎|🥱|🙄"))),
)
NEUTRAL: Final = (
    Template("date", 0.17, (MONTHS, DAYS, CHECK_IN, PLAIN_FACES)),
    Template("date", 0.11, (OPENING, TIMES, AGAIN, STOP, PLAIN_FACES)),
    Template("question", 0.18, (ASKING, QUESTION, ASK_MARK, PLAIN_FACES)),
    Template("lyric", 0.16, (LYRIC_FIRST, _parts("，| |/"), LYRIC_SECOND, _parts("|||…|🎵"))),
    Template("aside", 0.10, (ASIDE_WHO, ASIDE_WHAT, ASIDE_MARK)),
    Template("plain", 0.06, (FACTS, SOURCES, STOP, PLAIN_FACES)),
    Template("english", 0.02, (NEUTRAL_ENGLISH, PLAIN_FACES)),
    Template("negation", 0.20, (OPENING, NEUTRAL_BY_NEGATION, STOP, PLAIN_FACES)),
)
TEMPLATES: Final = {-1: CROSS, 0: NEUTRAL, 1: GLAD}
"""Templates by mood; the shares of each mood sum to 1."""
