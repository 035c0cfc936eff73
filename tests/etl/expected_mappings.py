"""What a person who knows the strange schemas maps to what, written by hand: `table status source | contract column=own column …`.

`*` is a value that no column holds; several sources of one table stand below each other.
"""

RENAMED = """
songs sure tracks | song_id=id title=name album_id=album_id language=lang release_date=released_on duration_ms=length_seconds
albums sure albums | album_id=id title=name release_date=released_on
artists sure performers | artist_id=id name=full_name
playlists sure playlists | playlist_id=id title=name owner=owner_id
song_artists sure track_performers | song_id=track_id artist_id=performer_id role=role
song_tags sure tracks+genres | song_id=id kind=* tag=name+genre_id
playlist_songs sure playlist_entries | playlist_id=playlist_id song_id=track_id position=position
users sure listeners | user_id=id sex=sex born=born country=country joined_at=joined_at
events sure favourites | user_id=listener_id item_id=track_id behaviour=* ts=created_at
events sure listens | event_id=id user_id=listener_id item_id=track_id behaviour=* ts=started_at scene=source play_ms=seconds_listened
comments sure remarks | user_id=listener_id song_id=track_id ts=posted_at text=body
friends sure follows | user_id=follower_id friend_id=followee_id
"""

CHINESE = """
songs sure 歌曲 | song_id=歌曲编号 title=歌名 album_id=专辑编号 language=语种 release_date=发行日期 duration_ms=时长
albums sure 专辑 | album_id=专辑编号 title=专辑名 release_date=发行日期
artists sure 歌手 | artist_id=歌手编号 name=姓名
dramas sure 电视剧 | drama_id=剧集编号 title=剧名 year=年份
playlists sure 歌单 | playlist_id=歌单编号 title=名称 owner=创建者
song_artists sure 歌曲歌手 | song_id=歌曲编号 artist_id=歌手编号 role=角色
song_tags sure 歌曲标签 | song_id=歌曲编号 kind=类型 tag=标签
soundtracks sure 原声带 | drama_id=剧集编号 album_id=专辑编号
playlist_songs sure 歌单歌曲 | playlist_id=歌单编号 song_id=歌曲编号 position=序号
users sure 用户 | user_id=用户编号 性别=性别 出生年份=出生年份 城市=城市
events sure 屏蔽 | user_id=用户编号 item_id=歌手编号 behaviour=* ts=时间 item_kind=*
events sure 播放记录 | event_id=编号 user_id=用户编号 item_id=歌曲编号 behaviour=行为 ts=时间 scene=场景 play_ms=播放时长
comments sure 评论 | user_id=用户编号 song_id=歌曲编号 ts=评论时间 text=内容
friends sure 好友 | user_id=用户编号 friend_id=好友编号
"""

SHOP = """
songs likely products | song_id=product_id title=product_name price=price
song_tags likely products+categories | song_id=product_id kind=* tag=category_name+category_id
users sure customers | user_id=customer_id city=city
events likely order_items+orders | event_id=order_id+line_no user_id=customer_id item_id=product_id behaviour=* ts=order_date count=quantity
comments likely product_reviews | user_id=customer_id song_id=product_id ts=created_at text=review_text
"""

STAR = """
songs sure dim_track | song_id=track_key title=track_name album_id=album_name release_date=release_date_key duration_ms=duration_ms
albums likely dim_track | album_id=album_name title=album_name
artists sure dim_artist | artist_id=artist_key name=artist_name
song_artists sure dim_track | song_id=track_key artist_id=artist_key
song_tags sure dim_track | song_id=track_key kind=* tag=genre
users sure dim_user | user_id=user_key gender=gender birth_year=birth_year country=country
events sure fact_stream | event_id=stream_key user_id=user_key item_id=track_key behaviour=* ts=date_key+time_key scene=context play_ms=ms_played
"""  # noqa: E501

APP = """
songs sure tbl_music | song_id=music_id title=music_name album_id=album_name release_date=publish_time duration_ms=duration
albums likely tbl_music | album_id=album_name title=album_name
artists likely tbl_music | artist_id=singer_name name=singer_name
song_artists likely tbl_music | song_id=music_id artist_id=singer_name
song_tags sure tbl_music | song_id=music_id kind=* tag=genre
users sure tbl_user | user_id=uid gender=gender age=age
events likely tbl_user_action_log | event_id=log_id user_id=uid item_id=music_id behaviour=action_type ts=action_time play_ms=play_seconds
friends sure tbl_user_follow | user_id=uid friend_id=follow_uid
"""

CAMEL = """
songs sure Song | song_id=SongId title=Title release_date=ReleaseYear duration_ms=DurationMs Explicit=Explicit
artists likely Artist | artist_id=ArtistId name=StageName
song_artists sure Song | song_id=SongId artist_id=ArtistId
users likely AppUser | user_id=UserId BirthDate=BirthDate
events likely PlaybackEvent+EventType | event_id=EventId user_id=UserId item_id=SongId behaviour=Name+EventTypeId ts=OccurredAt play_ms=PlayedMs is_organic=IsOrganic
events likely UserBlockedArtist | user_id=UserId item_id=ArtistId behaviour=* ts=BlockedAt item_kind=*
friends likely Friendship | user_id=UserIdA friend_id=UserIdB
"""  # noqa: E501

SESSIONS = """
songs sure tracks | song_id=track_id title=track_title duration_ms=seconds
artists likely tracks | artist_id=performer name=performer
song_artists likely tracks | song_id=track_id artist_id=performer
events likely session_tracks+sessions | user_id=user_id item_id=track_id behaviour=* ts=started_at play_ms=played_seconds
"""

SCROBBLES = """
songs sure recording | song_id=recording_mbid title=title duration_ms=length
artists sure artist | artist_id=mbid name=artist_name
song_artists sure recording | song_id=recording_mbid artist_id=artist_mbid
events likely loved_tracks | user_id=username item_id=recording_mbid behaviour=* ts=loved_at
events likely scrobbles | user_id=username item_id=recording_mbid behaviour=* ts=listened_at
"""

LOG = """
songs likely listening_events | song_id=track title=track
events likely listening_events | user_id=user item_id=track behaviour=* ts=unix_time
"""

RECORD_SHOP = """
songs sure Track | song_id=TrackId title=Name album_id=AlbumId duration_ms=Milliseconds
albums sure Album | album_id=AlbumId title=Title
artists sure Artist | artist_id=ArtistId name=Name
playlists sure Playlist | playlist_id=PlaylistId title=Name
song_artists likely Track+Album | song_id=TrackId artist_id=ArtistId
song_tags sure Track+Genre | song_id=TrackId kind=* tag=Name+GenreId
playlist_songs sure PlaylistTrack | playlist_id=PlaylistId song_id=TrackId
users sure Customer | user_id=CustomerId Country=Country
events likely InvoiceLine+Invoice | event_id=InvoiceLineId user_id=CustomerId item_id=TrackId behaviour=* ts=InvoiceDate count=Quantity
"""

KARAOKE = """
songs sure t_song | song_id=song_id title=song_name release_date=publish_date duration_ms=song_len
artists sure t_singer | artist_id=singer_id name=singer_name
song_artists sure t_song | song_id=song_id artist_id=singer_id
users likely t_vip | user_id=vip_id sex=sex
events likely t_favorite | user_id=vip_id item_id=song_id behaviour=* ts=add_time
events likely t_listen | event_id=id user_id=vip_id item_id=song_id behaviour=* ts=begin_time
"""

PLAIN = """
songs sure tracks | song_id=id title=title
events likely plays | user_id=user item_id=track behaviour=* ts=time
"""
