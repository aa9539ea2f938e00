"""The members of IMM's File that no file has here: a query about them is valid, and finds nothing.

No model fills them, or they belong to what is not indexed (videos, documents, OSS itself).
"""

_PLAIN = (
    "AccessControlAllowOrigin AccessControlRequestMethod Bitrate CacheControl ContentDisposition "
    "ContentEncoding ContentLanguage ContentMd5 Duration FileAccessTime FileCreateTime "
    "FormatLongName FormatName Language OCRTexts OSSCRC64 OSSDeleteMarker OSSExpiration "
    "OSSObjectType OSSStorageClass OSSTaggingCount OSSVersionId ObjectACL PageCount ProgramCount "
    "SemanticTypes ServerSideDataEncryption ServerSideEncryption "
    "ServerSideEncryptionCustomerAlgorithm ServerSideEncryptionKeyId StartTime StreamCount "
    "Timezone TravelClusterId VideoHeight VideoWidth "
)

_OF_ARRAYS = {
    "Figures": (
        "Age AgeSD Attractive Beard BeardConfidence Emotion EmotionConfidence Gender "
        "GenderConfidence Glasses GlassesConfidence Hat HatConfidence Mask MaskConfidence Mouth "
        "MouthConfidence "
    ),
    "VideoStreams": (
        "AverageFrameRate BitDepth Bitrate CodecLongName CodecName CodecTag CodecTagString "
        "CodecTimeBase ColorPrimaries ColorRange ColorSpace ColorTransfer DisplayAspectRatio "
        "Duration FrameCount FrameRate HasBFrames Height Index Language Level PixelFormat Profile "
        "Rotate SampleAspectRatio StartTime TimeBase Width "
    ),
    "AudioStreams": (
        "Bitrate ChannelLayout Channels CodecLongName CodecName CodecTag CodecTagString "
        "CodecTimeBase Duration FrameCount Index Language Lyric SampleFormat SampleRate StartTime "
        "TimeBase "
    ),
    "Subtitles": (
        "Bitrate CodecLongName CodecName CodecTag CodecTagString Content Duration Height Index "
        "Language StartTime Width "
    ),
    "AudioCovers": "EXIF ImageHeight ImageScore.OverallQualityScore ImageWidth",
    "CroppingSuggestions": (
        "AspectRatio Boundary.Height Boundary.Left Boundary.Top Boundary.Width Confidence"
    ),
    "Elements": (
        "ElementContents.Content ElementContents.Type ElementContents.URL "
        "ElementRelations.ObjectId ElementRelations.Type ElementType ObjectId SemanticSimilarity"
    ),
    "OCRContents": (
        "Boundary.Height Boundary.Left Boundary.Top Boundary.Width Confidence Contents Language"
    ),
    "SceneElements": "FrameTimes Labels.LabelName TimeRange VideoStreamIndex",
}

_OPEN = ("OSSTagging.", "OSSUserMeta.", "Insights.Image.", "Insights.Video.")
"""Beginnings of paths that go on with a key."""

_KNOWN = frozenset(_PLAIN.split()) | frozenset(
    f"{array}.{name}" for array, names in _OF_ARRAYS.items() for name in names.split()
)


def is_unfilled(path: str) -> bool:
    """Return whether ``path`` is a member of IMM's File that no file has here.

    >>> is_unfilled("Figures.Age"), is_unfilled("OSSTagging.team"), is_unfilled("Figures.Aeg")
    (True, True, False)
    """
    opened = any(path.startswith(start) and len(path) > len(start) for start in _OPEN)
    return opened or path in _KNOWN or path in _OF_ARRAYS


def is_array(name: str) -> bool:
    """Return whether a member with this name is an array of objects in IMM's File."""
    return name in _OF_ARRAYS or name in ("Addresses", "Labels")
