"""Media formats that are read: FFmpeg's demuxers of self-contained files, and the endings of their files.

The one list of endings: a folder's files are chosen by it, its still images only where it has nothing else. A file that
is named singly is opened whatever its ending.
"""

_DEMUXERS = {  # demuxer -> endings of sound, endings of video; playlists (concat, hls, dash) would read other files
    "wav": (".wav .wave", ""),
    "mp3": (".mp3 .mp2 .mpa", ""),
    "mov": (".m4a .m4b", ".mp4 .m4v .mov .qt .3gp .3g2 .f4v"),
    "matroska": (".mka .weba", ".mkv .webm .mk3d"),
    "avi": ("", ".avi .divx"),
    "w64": (".w64", ""),
    "rf64": (".rf64", ""),
    "aiff": (".aif .aiff .aifc", ""),
    "caf": (".caf", ""),
    "flac": (".flac", ""),
    "ogg": (".ogg .oga .opus .spx", ".ogv"),
    "aac": (".aac .adts", ""),
    "ac3": (".ac3", ""),
    "amr": (".amr", ""),
    "au": (".au .snd", ""),
    "mpegts": ("", ".ts .mts .m2ts .m2t"),
    "mpeg": ("", ".mpg .mpeg .vob"),
    "mpegvideo": ("", ".m1v .m2v"),
    "m4v": ("", ""),  # .m4v is mov's
    "h264": ("", ".h264 .264"),
    "hevc": ("", ".hevc .h265 .265"),
    "flv": ("", ".flv"),
    "asf": (".wma", ".wmv .asf"),
    "dv": ("", ".dv"),
    "mxf": ("", ".mxf"),
    "rm": (".ra", ".rm .rmvb"),
    "gif": ("", ".gif"),
    "yuv4mpegpipe": ("", ".y4m"),
}
_STILLS = {"png_pipe": ".png", "jpeg_pipe": ".jpg .jpeg", "webp_pipe": ".webp"}  # each a video of one frame

DEMUXERS = ",".join([*_DEMUXERS, *_STILLS])
STILLS = frozenset(_STILLS)
STILL_ENDINGS = tuple(ending for endings in _STILLS.values() for ending in endings.split())
SOUND_ENDINGS = tuple(ending for sound, _ in _DEMUXERS.values() for ending in sound.split())
VIDEO_ENDINGS = tuple(ending for _, video in _DEMUXERS.values() for ending in video.split())
MEDIA_ENDINGS = frozenset(SOUND_ENDINGS + VIDEO_ENDINGS)
